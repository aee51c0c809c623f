// Machines and their power over a real store, with a host agent that answers as the test wants.
#include "services/ec2/tests/instances_fixture.h"

namespace sp::services::ec2 {
namespace {

TEST_F(InstancesTest, IsBornPendingAndRunsWhenTheDriverSaysSo) {
  const auto id = launch();
  EXPECT_EQ(state(id), "pending");
  EXPECT_EQ(last(), "power.create");
  EXPECT_EQ(json::textOr(host_.sent.back(), "cert"), "cert of " + id);
  EXPECT_EQ(code(stop(id)), "IncorrectInstanceState");
  settle("running");
  EXPECT_EQ(state(id), "running");
  EXPECT_EQ(settled_, (std::vector<std::string>{"running"}));
}

TEST_F(InstancesTest, StopsAndStartsOnlyOnce) {
  const auto id = running();
  EXPECT_EQ(code(stop(id)), "");
  EXPECT_EQ(state(id), "stopping");
  EXPECT_EQ(get(id).state_reason_code, "Client.UserInitiatedShutdown");
  EXPECT_TRUE(get(id).transition_reason.starts_with("User initiated (2027-"));
  const auto asked = host_.sent.size();
  EXPECT_EQ(code(stop(id)), "");
  EXPECT_EQ(host_.sent.size(), asked);
  EXPECT_EQ(code(start(id)), "IncorrectInstanceState");
  settle("stopped");
  EXPECT_EQ(state(id), "stopped");
  EXPECT_EQ(code(stop(id)), "");
  EXPECT_EQ(host_.sent.size(), asked);
  const auto generation = get(id).boot_generation;
  EXPECT_EQ(code(start(id)), "");
  EXPECT_EQ(state(id), "pending");
  EXPECT_EQ(code(start(id)), "");
  settle("running");
  EXPECT_GT(get(id).boot_generation, generation);
  EXPECT_EQ(get(id).transition_reason, "");
}

TEST_F(InstancesTest, AStopThatIsLeasedSaysForHowLong) {
  const auto id = running();
  EXPECT_EQ(code(stop(id)), "");
  EXPECT_FALSE(host_.sent.back().contains("lease")) << "a person's lasts";
  settle("stopped");
  EXPECT_EQ(code(start(id)), "");
  settle("running");
  EXPECT_EQ(code(in([&](store::Txn& txn) { return instances_->stop(txn, id, false, "run:x", std::chrono::seconds(300)); })), "");
  EXPECT_EQ(host_.sent.back().at("lease").at("leaseMs"), 300'000);
}

TEST_F(InstancesTest, AnOlderAnswerDoesNotMoveTheState) {
  const auto id = running();
  ASSERT_TRUE(stop(id));
  const auto graceful = host_.sent.back();
  ASSERT_TRUE(stop(id, true));
  settle(graceful, "running", "it does not stop");
  EXPECT_EQ(state(id), "stopping");
  settle("stopped");
  EXPECT_EQ(state(id), "stopped");
}

TEST_F(InstancesTest, AFailedStopLeavesItAsTheDriverFoundIt) {
  const auto id = running();
  ASSERT_TRUE(stop(id));
  settle("running", "it did not end within 120 s");
  EXPECT_EQ(state(id), "running");
  EXPECT_EQ(settled_.back(), "running: it did not end within 120 s");
}

TEST_F(InstancesTest, AMachineThatNeverCameUpIsRemoved) {
  const auto id = launch();
  settle("stopped", "no space");
  EXPECT_EQ(state(id), "shutting-down");
  EXPECT_EQ(last(), "power.destroy");
  EXPECT_EQ(get(id).state_reason, "Server.InternalError: no space");
  settle("terminated");
  EXPECT_EQ(state(id), "terminated");
}

TEST_F(InstancesTest, TerminatedOnesStayVisibleForAnHour) {
  const auto id = running();
  ASSERT_TRUE(terminate(id));
  settle("terminated");
  EXPECT_EQ(code(start(id)), "IncorrectInstanceState");
  EXPECT_EQ(code(stop(id)), "IncorrectInstanceState");
  EXPECT_EQ(code(terminate(id)), "");
  EXPECT_FALSE(in([&](store::Txn& txn) { return instances_->admits(txn, id); }));
  clock_.advance(std::chrono::minutes(59));
  core_->runPending();
  EXPECT_EQ(state(id), "terminated");
  clock_.advance(std::chrono::minutes(2));
  core_->runPending();
  EXPECT_FALSE(in([&](store::Txn& txn) { return instances_->find(txn, id); }));
}

TEST_F(InstancesTest, WhatHappensByItselfIsSeen) {
  const auto id = running();
  changed(id, "stopped");
  EXPECT_EQ(state(id), "stopped");
  EXPECT_EQ(get(id).state_reason_code, "Client.InstanceInitiatedShutdown");
  changed(id, "running");
  EXPECT_EQ(state(id), "running");
  // The end of an earlier boot, told late.
  const auto boots = get(id).boot_generation;
  in([&](store::Txn& txn) {
    return reports_.tell(txn, "host", "power.changed", {{"instance", id}, {"state", "stopped"}, {"bootGeneration", boots - 1}});
  });
  EXPECT_EQ(state(id), "running");
  EXPECT_EQ(get(id).boot_generation, boots);
  ASSERT_TRUE(stop(id));
  changed(id, "running");
  EXPECT_EQ(state(id), "stopping");
}

TEST_F(InstancesTest, ARunThatHoldsTheMachineIsNamed) {
  const auto id = running();
  in([&](store::Txn& txn) {
    locks_.acquire(txn, id, "run:arn:aws:states:x");
    return true;
  });
  const auto refused = stop(id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "IncorrectInstanceState");
  EXPECT_NE(refused.error().message.find("run 'arn:aws:states:x'"), std::string::npos);
  EXPECT_EQ(code(terminate(id)), "IncorrectInstanceState");
  EXPECT_EQ(code(in([&](store::Txn& txn) { return instances_->reboot(txn, id, "api"); })), "IncorrectInstanceState");
  EXPECT_EQ(code(stop(id, false, "run:arn:aws:states:x")), "");
  settle("stopped");
  EXPECT_EQ(code(start(id)), "");
  settle("running");
  EXPECT_EQ(code(stop(id, true)), "");
}

TEST_F(InstancesTest, AMachineThatIsReadCannotBeStarted) {
  const auto id = running();
  ASSERT_TRUE(stop(id));
  settle("stopped");
  in([&](store::Txn& txn) {
    instances_->setReading(txn, id, "job-1");
    return true;
  });
  const auto refused = start(id, "run:x");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("job-1"), std::string::npos);
  in([&](store::Txn& txn) {
    instances_->setReading(txn, id, "");
    return true;
  });
  EXPECT_EQ(code(start(id)), "");
}

TEST_F(InstancesTest, TagsFindMachinesThatAreNotGone) {
  const auto a = running();
  const auto b = running();
  in([&](store::Txn& txn) {
    instances_->setTags(txn, a, {{"role", "db"}});
    instances_->setTags(txn, b, {{"role", "db"}});
    return true;
  });
  EXPECT_EQ(in([&](store::Txn& txn) { return instances_->byTag(txn, "role", "db").size(); }), 2U);
  ASSERT_TRUE(terminate(b));
  const auto left = in([&](store::Txn& txn) { return instances_->byTag(txn, "role", "db"); });
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].id, a);
}

AddSpec execSpec(const std::string& start = "/bin/start") {
  AddSpec spec;
  spec.driver = "exec";
  spec.power = {{"Start", json::Array{start}}, {"Stop", json::Array{"/bin/stop"}}, {"Status", json::Array{"/bin/status"}}};
  return spec;
}

TEST_F(InstancesTest, AnAddedMachineIsWhatItsDriverSaw) {
  const auto id = in([&](store::Txn& txn) { return instances_->add(txn, execSpec()); })->id;
  EXPECT_EQ(state(id), "pending");
  EXPECT_EQ(last(), "power.adopt");
  EXPECT_EQ(json::textOr(host_.sent.back(), "driver"), "exec");
  // A driver that does not work is no word about the machine, and the record is not thrown away as a failed launch is.
  settle("unknown", "no such program");
  EXPECT_EQ(state(id), "pending");
  EXPECT_EQ(get(id).power_error, "no such program");
  changed(id, "stopped");
  EXPECT_EQ(state(id), "stopped");
  EXPECT_EQ(code(start(id)), "");
  EXPECT_EQ(last(), "power.start");
  settle("unknown", "it does not start");
  EXPECT_EQ(state(id), "stopped") << "it was off, and nobody saw it on";
  EXPECT_EQ(settled_.back(), "stopped: it does not start");
}

TEST_F(InstancesTest, OnlyTheHolderIsBelieved) {
  const auto holder = running();
  auto spec = execSpec();
  spec.held_by = holder;
  const auto id = in([&](store::Txn& txn) { return instances_->add(txn, spec); })->id;
  const auto request = host_.sent.back();
  settle(request, "running");
  EXPECT_EQ(state(id), "pending") << "`host` does not hold it";
  in([&](store::Txn& txn) {
    return reports_.tell(txn, holder, "power.result",
                         {{"id", json::textOr(request, "id")}, {"instance", id}, {"state", "running"}, {"bootGeneration", 1}});
  });
  EXPECT_EQ(state(id), "running");
  in([&](store::Txn& txn) {
    return reports_.tell(txn, holder, "power.changed", {{"instance", holder}, {"state", "stopped"}, {"bootGeneration", 99}});
  });
  EXPECT_EQ(state(holder), "running") << "it does not hold its own";
  EXPECT_EQ(code(terminate(holder)), "IncorrectInstanceState");
}

TEST_F(InstancesTest, ALookTellsWhatIsWrongAndWhatIsNew) {
  const auto id = in([&](store::Txn& txn) { return instances_->add(txn, execSpec()); })->id;
  settle("running");
  const auto look = [&] {
    in([&](store::Txn& txn) {
      instances_->checkPower(txn, id);
      return true;
    });
  };
  look();
  EXPECT_EQ(last(), "power.check");
  const auto asked = host_.sent.size();
  look();
  EXPECT_EQ(host_.sent.size(), asked) << "one look at a time";
  settle("running", "the status command is gone");
  EXPECT_EQ(get(id).power_error, "the status command is gone");
  EXPECT_TRUE(get(id).check_request.empty());
  look();
  settle("stopped");
  EXPECT_EQ(get(id).power_error, "");
  EXPECT_EQ(state(id), "stopped");
}

TEST_F(InstancesTest, AFailedStopOfAMachineThatNobodySeesClaimsNothing) {
  const auto id = in([&](store::Txn& txn) { return instances_->add(txn, execSpec()); })->id;
  settle("running");
  const auto told = settled_.size();
  ASSERT_TRUE(stop(id));
  settle("unknown", "it did not shut down within 120 s");
  EXPECT_EQ(state(id), "stopping") << "a start that is owed is paid by a machine that runs, and nobody has seen it";
  EXPECT_EQ(settled_.size(), told);
  EXPECT_EQ(last(), "power.check");
  const auto waits = [&](std::chrono::seconds time) {
    for (auto left = time; left.count() > 0; left -= std::chrono::seconds(5)) {
      clock_.advance(std::chrono::seconds(5));
      core_->runPending();
    }
  };
  // It is asked again, and those who wait are told after two minutes, also if the holder does not even answer.
  settle("unknown", "libvirt is away");
  const auto asked = host_.sent.size();
  waits(std::chrono::seconds(5));
  EXPECT_EQ(host_.sent.size(), asked + 1);
  waits(std::chrono::seconds(105));
  EXPECT_EQ(settled_.size(), told);
  waits(std::chrono::seconds(10));
  ASSERT_GT(settled_.size(), told);
  EXPECT_EQ(settled_.back(),
            "stopping: it did not shut down within 120 s; whether the machine runs cannot be seen: the agent 'host', which holds its "
            "driver, does not answer");
  settle("unknown", "libvirt is away");
  waits(std::chrono::seconds(5));
  EXPECT_EQ(settled_.back(), "stopping: it did not shut down within 120 s; whether the machine runs cannot be seen: libvirt is away")
      << "once more: a run may wait for its start by now";
  EXPECT_EQ(state(id), "stopping");
  settle("running");
  EXPECT_EQ(state(id), "running");
  EXPECT_EQ(settled_.back(), "running: it did not shut down within 120 s");
  EXPECT_EQ(get(id).power_error, "it did not shut down within 120 s");
  const auto done = host_.sent.size();
  waits(std::chrono::minutes(5));
  EXPECT_EQ(host_.sent.size(), done) << "it was seen";
}

TEST_F(InstancesTest, WhatIsSeenAfterAFailedStopEndsIt) {
  const auto id = in([&](store::Txn& txn) { return instances_->add(txn, execSpec()); })->id;
  settle("running");
  ASSERT_TRUE(stop(id));
  settle("unknown", "late");
  changed(id, "stopped");
  EXPECT_EQ(settled_.back(), "stopped") << "it has not failed after all";
  EXPECT_EQ(get(id).state_reason_code, "Client.UserInitiatedShutdown");
  ASSERT_TRUE(start(id));
  settle("running");
  ASSERT_TRUE(stop(id));
  settle("unknown", "late");
  changed(id, "running");
  EXPECT_EQ(settled_.back(), "running: late");
  ASSERT_TRUE(stop(id));
  settle("unknown", "late");
  ASSERT_TRUE(stop(id, true));
  settle("stopped");
  EXPECT_EQ(settled_.back(), "stopped") << "another request has taken over";
  EXPECT_EQ(get(id).stop_error, "");
}

TEST_F(InstancesTest, OneRecordForEachMachine) {
  const auto add = [&](const AddSpec& spec) { return in([&](store::Txn& txn) { return instances_->add(txn, spec); }); };
  const auto first = add(execSpec());
  ASSERT_TRUE(first);
  EXPECT_EQ(code(add(execSpec())), "ResourceInUseException");
  const auto other = add(execSpec("/bin/other"));
  ASSERT_TRUE(other);
  settle("running");
  // Nor may a change make two of one.
  EXPECT_EQ(code(in([&](store::Txn& txn) { return instances_->setPower(txn, other->id, execSpec()); })), "ResourceInUseException");
  ASSERT_TRUE(terminate(first->id));
  EXPECT_EQ(state(first->id), "terminated");
  EXPECT_EQ(last(), "power.forget");
  EXPECT_TRUE(add(execSpec())) << "what is forgotten may come again";
}

}  // namespace
}  // namespace sp::services::ec2
