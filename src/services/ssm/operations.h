// Each operation stands in a file of its own; ssm.cc puts them into the table.
#pragma once
#include "services/ssm/nodes/nodes.h"
#include "services/ssm/ssm.h"

namespace sp::services::ssm {

aws::Operation addTagsToResource(ec2::Instances& instances);
aws::Operation cancelCommand(Commands& commands);
aws::Operation createDocument(Context& context);
aws::Operation deleteDocument();
aws::Operation deleteParameter();
aws::Operation deleteParameters();
aws::Operation describeDocument();
aws::Operation createActivation(Nodes& nodes);
aws::Operation deleteActivation();
aws::Operation deregisterManagedInstance(Nodes& nodes);
aws::Operation describeActivations();
aws::Operation describeInstanceInformation(Context& context, ec2::Instances& instances);
aws::Operation getCommandInvocation(Context& context, Commands& commands);
aws::Operation getDocument();
aws::Operation getParameter(const SecretBox& secrets);
aws::Operation getParameters(const SecretBox& secrets);
aws::Operation getParametersByPath(const SecretBox& secrets);
aws::Operation listCommandInvocations(Context& context, Commands& commands, ec2::Instances& instances);
aws::Operation listCommands(Commands& commands, ec2::Instances& instances);
aws::Operation listDocumentVersions();
aws::Operation listDocumentsOperation();
aws::Operation listTagsForResource(ec2::Instances& instances);
aws::Operation putParameter(Context& context, const SecretBox& secrets);
aws::Operation removeTagsFromResource(ec2::Instances& instances);
aws::Operation sendCommand(Commands& commands);
aws::Operation updateDocument(Context& context);
aws::Operation updateDocumentDefaultVersion();
aws::Operation updateManagedInstanceRole();

}  // namespace sp::services::ssm
