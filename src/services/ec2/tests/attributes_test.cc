// Attributes of instances: what is told of them, and the protection that people switch on.
#include "services/ec2/tests/instances_fixture.h"

#include <fmt/format.h>

namespace sp::services::ec2 {
namespace {

class AttributesTest : public InstancesTest {
 protected:
  std::string modify(const std::string& id, std::string_view members) {
    return told("ModifyInstanceAttribute", fmt::format(R"({{"InstanceId":"{}",{}}})", id, members));
  }
  std::string attribute(const std::string& id, std::string_view name) {
    return told("DescribeInstanceAttribute", fmt::format(R"({{"InstanceId":"{}","Attribute":"{}"}})", id, name));
  }
  static std::string naming(const std::string& id) { return fmt::format(R"({{"InstanceId":["{}"]}})", id); }
  static std::string forbidden(const std::string& id, std::string_view verb, std::string_view by) {
    return fmt::format("OperationNotPermitted: The instance '{}' may not be {}. Modify its '{}' instance attribute and try again.", id,
                       verb, by);
  }
};

TEST_F(AttributesTest, StopProtectionRefusesPeopleAlone) {
  const auto id = running();
  EXPECT_EQ(modify(id, R"("DisableApiStop":{"Value":"true"})"), R"({"return":true})");
  EXPECT_EQ(told("StopInstances", naming(id)), forbidden(id, "stopped", "disableApiStop"));
  EXPECT_EQ(code(stop(id, true)), "OperationNotPermitted") << "Force is no way around it";
  EXPECT_EQ(told("TerminateInstances", naming(id)), forbidden(id, "terminated", "disableApiStop"));
  EXPECT_EQ(state(id), "running");
  EXPECT_EQ(code(in([&](store::Txn& txn) { return instances_->reboot(txn, id, "api"); })), "");
  settle("running");
  in([&](store::Txn& txn) {
    locks_.acquire(txn, id, "run:x");
    return true;
  });
  EXPECT_EQ(code(stop(id, false, "run:x")), "") << "its preflight has looked";
  settle("stopped");
  EXPECT_EQ(code(start(id, "run:x")), "");
  settle("running");
  EXPECT_EQ(modify(id, R"("Attribute":"disableApiStop","Value":"False")"), R"({"return":true})");
  EXPECT_EQ(code(stop(id, true)), "");
}

TEST_F(AttributesTest, TerminationProtectionLeavesAStopAlone) {
  const auto id = running();
  EXPECT_EQ(modify(id, R"("Attribute":"disableApiTermination","Value":"true")"), R"({"return":true})");
  EXPECT_EQ(told("TerminateInstances", naming(id)), forbidden(id, "terminated", "disableApiTermination"));
  EXPECT_EQ(code(stop(id)), "");
  settle("stopped");
  EXPECT_EQ(code(terminate(id)), "OperationNotPermitted");
  EXPECT_EQ(modify(id, R"("DisableApiTermination":{"Value":"false"})"), R"({"return":true})");
  EXPECT_EQ(code(terminate(id)), "");
}

TEST_F(AttributesTest, OneProtectedMachineKeepsTheOthers) {
  const auto free = running();
  const auto kept = running();
  ASSERT_EQ(modify(kept, R"("DisableApiStop":{"Value":"true"})"), R"({"return":true})");
  const auto both = fmt::format(R"({{"InstanceId":["{}","{}"]}})", free, kept);
  EXPECT_EQ(told("StopInstances", both), forbidden(kept, "stopped", "disableApiStop"));
  EXPECT_EQ(told("TerminateInstances", both), forbidden(kept, "terminated", "disableApiStop"));
  EXPECT_EQ(state(free), "running");
}

TEST_F(AttributesTest, ProtectionIsKeptWithTheRecordAndByALaunch) {
  const auto made = call("RunInstances", R"({"ImageId":"ami-bare","MinCount":"1","MaxCount":"1","DisableApiStop":"true",
      "DisableApiTermination":"true","InstanceInitiatedShutdownBehavior":"stop","ClientToken":"t"})");
  ASSERT_TRUE(made) << made.error().message;
  const auto id = json::textOr(made->at("instancesSet").get_array()[0].get_object(), "instanceId");
  const auto again = Instance::decode(get(id).encode());
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->stop_protected && again->termination_protected);
  EXPECT_EQ(call("RunInstances", R"({"ImageId":"ami-bare","MinCount":"1","MaxCount":"1","ClientToken":"t"})").error().code,
            "IdempotentParameterMismatch");
  EXPECT_EQ(call("RunInstances", R"({"ImageId":"ami-bare","MinCount":"1","MaxCount":"1","InstanceInitiatedShutdownBehavior":"terminate"})")
                .error()
                .code,
            "UnsupportedOperation");
}

TEST_F(AttributesTest, AMachineThatNeverCameUpIsRemovedAllTheSame) {
  LaunchSpec spec;
  spec.image_id = "ami-bare";
  spec.termination_protected = true;
  const auto id = in([&](store::Txn& txn) { return *instances_->launch(txn, spec); })[0].id;
  settle("stopped", "no space");
  EXPECT_EQ(state(id), "shutting-down");
  settle("running", "busy");
  EXPECT_EQ(code(terminate(id)), "") << "its removal is tried again";
  settle("terminated");
  EXPECT_EQ(code(terminate(id)), "");
  EXPECT_EQ(modify(id, R"("DisableApiStop":{"Value":"true"})").substr(0, 22), "IncorrectInstanceState");
}

TEST_F(AttributesTest, WhatCannotBeModifiedChangesNothing) {
  const auto id = running();
  const auto before = json::toText(get(id).encode());
  for (const std::string_view key :
       {"EbsOptimized", "EnaSupport", "InstanceType", "Kernel", "Ramdisk", "SourceDestCheck", "SriovNetSupport", "UserData"})
    EXPECT_EQ(modify(id, fmt::format(R"("{}":{{"Value":"x"}})", key)).substr(0, 20), "UnsupportedOperation") << key;
  EXPECT_EQ(modify(id, R"("InstanceType":{"Value":"t3.micro"})"),
            fmt::format("UnsupportedOperation: Modifying 'instanceType' is not supported for instance '{}'.", id));
  EXPECT_EQ(modify(id, R"("GroupId":["sg-1"])"),
            fmt::format("UnsupportedOperation: Modifying 'groupSet' is not supported for instance '{}'.", id));
  EXPECT_EQ(modify(id, R"("BlockDeviceMapping":[{"DeviceName":"/"}])").substr(0, 20), "UnsupportedOperation");
  EXPECT_EQ(modify(id, R"("Attribute":"kernel","Value":"aki-1")").substr(0, 20), "UnsupportedOperation");
  EXPECT_EQ(modify(id, R"("Attribute":"colour","Value":"red")"),
            "InvalidParameterValue: Value (colour) for parameter attribute is invalid. Unknown attribute.");
  EXPECT_EQ(modify(id, R"("DryRun":"false")"), "InvalidParameterCombination: No attributes specified.");
  EXPECT_EQ(modify(id, R"("DisableApiStop":{"Value":"true"},"DisableApiTermination":{"Value":"true"})"),
            "InvalidParameterCombination: Fields for multiple attribute types specified: disableApiStop, disableApiTermination");
  EXPECT_EQ(modify(id, R"("Attribute":"disableApiStop","Value":"true","DisableApiStop":{"Value":"false"})").substr(0, 27),
            "InvalidParameterCombination");
  EXPECT_EQ(modify(id, R"("Attribute":"disableApiStop")"), "MissingParameter: The request must contain the parameter Value");
  EXPECT_EQ(modify(id, R"("DisableApiStop":{"Value":"maybe"})"),
            "InvalidParameterValue: Value (maybe) for parameter disableApiStop is invalid. Expected: 'true' or 'false'.");
  EXPECT_EQ(modify(id, R"("InstanceInitiatedShutdownBehavior":{"Value":"terminate"})").substr(0, 20), "UnsupportedOperation");
  EXPECT_EQ(modify(id, R"("InstanceInitiatedShutdownBehavior":{"Value":"sleep"})").substr(0, 21), "InvalidParameterValue");
  EXPECT_EQ(modify(id, R"("DisableApiStop":{"Value":"true"},"DryRun":"true")"),
            "DryRunOperation: Request would have succeeded, but DryRun flag is set.");
  EXPECT_EQ(told("ModifyInstanceAttribute", R"({"DisableApiStop":{"Value":"true"}})"),
            "MissingParameter: The request must contain the parameter InstanceId");
  EXPECT_EQ(json::toText(get(id).encode()), before);
  EXPECT_EQ(modify(id, R"("InstanceInitiatedShutdownBehavior":{"Value":"stop"})"), R"({"return":true})") << "it is so already";
  EXPECT_EQ(modify(id, R"("Attribute":"disableApiStop","DisableApiStop":{"Value":"true"})"), R"({"return":true})") << "said twice";
}

TEST_F(AttributesTest, EachAttributeIsTold) {
  LaunchSpec spec;
  spec.image_id = "ami-bare";
  spec.instance_type = "stillpoint.sandbox";
  const auto id = in([&](store::Txn& txn) { return *instances_->launch(txn, spec); })[0].id;
  const auto is = [&](std::string_view name, std::string_view value) {
    EXPECT_EQ(attribute(id, name), fmt::format(R"({{"instanceId":"{}","{}":{}}})", id, name, value));
  };
  is("instanceType", R"({"value":"stillpoint.sandbox"})");
  is("disableApiStop", R"({"value":false})");
  is("disableApiTermination", R"({"value":false})");
  is("instanceInitiatedShutdownBehavior", R"({"value":"stop"})");
  is("rootDeviceName", R"({"value":"/"})");
  is("ebsOptimized", R"({"value":false})");
  is("enclaveOptions", R"({"enabled":false})");
  for (const std::string_view none : {"groupSet", "productCodes"}) is(none, "[]");
  for (const std::string_view none : {"kernel", "ramdisk", "sourceDestCheck", "sriovNetSupport", "userData"}) is(none, "{}");
  ASSERT_EQ(modify(id, R"("DisableApiStop":{"Value":"true"})"), R"({"return":true})");
  is("disableApiStop", R"({"value":true})");
  is("disableApiTermination", R"({"value":false})");
  for (const std::string_view unknown : {"colour", "enaSupport", "InstanceType"})
    EXPECT_EQ(attribute("i-0123456789abcdef0", unknown),
              fmt::format("InvalidParameterValue: Value ({}) for parameter attribute is invalid. Unknown attribute.", unknown));
  EXPECT_EQ(attribute("i-0123456789abcdef0", "kernel"), "InvalidInstanceID.NotFound: The instance ID 'i-0123456789abcdef0' does not exist");
  EXPECT_EQ(told("DescribeInstanceAttribute", fmt::format(R"({{"InstanceId":"{}"}})", id)),
            "MissingParameter: The request must contain the parameter Attribute");
  EXPECT_EQ(told("DescribeInstanceAttribute", R"({"Attribute":"kernel"})"),
            "MissingParameter: The request must contain the parameter InstanceId");
}

}  // namespace
}  // namespace sp::services::ec2
