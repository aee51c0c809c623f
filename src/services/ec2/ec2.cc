#include "services/ec2/ec2.h"

#include "services/ec2/operations.h"

namespace sp::services::ec2 {

aws::ServiceTable makeEc2(Context& context, Instances& instances) {
  aws::ServiceTable table;
  table.signing_name = "ec2";
  table.protocol = aws::Protocol::ec2;
  table.target_or_namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
  table.version = "2016-11-15";
  table.operations = {createTags(instances),
                      deleteTags(instances),
                      describeAvailabilityZones(),
                      describeImages(),
                      describeInstanceAttribute(instances),
                      describeInstances(instances),
                      describeInstanceStatus(context, instances),
                      describeRegions(),
                      describeSnapshots(),
                      describeTags(instances),
                      describeVolumes(instances),
                      modifyInstanceAttribute(instances),
                      rebootInstances(instances),
                      runInstances(instances),
                      startInstances(instances),
                      stopInstances(instances),
                      terminateInstances(instances)};
  return table;
}

}  // namespace sp::services::ec2
