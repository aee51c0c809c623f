// Each operation stands in a file of its own; ec2.cc puts them into the table.
#pragma once
#include "aws/operation.h"
#include "services/ec2/instances.h"

namespace sp::services::ec2 {

aws::Operation createTags(Instances& instances);
aws::Operation deleteTags(Instances& instances);
aws::Operation describeAvailabilityZones();
aws::Operation describeImages();
aws::Operation describeInstanceAttribute(Instances& instances);
aws::Operation describeInstances(Instances& instances);
aws::Operation describeInstanceStatus(Context& context, Instances& instances);
aws::Operation describeRegions();
aws::Operation describeSnapshots();
aws::Operation describeTags(Instances& instances);
aws::Operation describeVolumes(Instances& instances);
aws::Operation modifyInstanceAttribute(Instances& instances);
aws::Operation rebootInstances(Instances& instances);
aws::Operation runInstances(Instances& instances);
aws::Operation startInstances(Instances& instances);
aws::Operation stopInstances(Instances& instances);
aws::Operation terminateInstances(Instances& instances);

}  // namespace sp::services::ec2
