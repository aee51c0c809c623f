// Each operation stands in a file of its own; ssm.cc puts them into the table.
#pragma once
#include "services/ssm/ssm.h"

namespace sp::services::ssm {

aws::Operation cancelCommand(Commands& commands);
aws::Operation describeInstanceInformation(Context& context, ec2::Instances& instances);
aws::Operation getCommandInvocation(Context& context, Commands& commands);
aws::Operation listCommandInvocations(Context& context, Commands& commands, ec2::Instances& instances);
aws::Operation listCommands(Commands& commands, ec2::Instances& instances);
aws::Operation sendCommand(Commands& commands);

}  // namespace sp::services::ssm
