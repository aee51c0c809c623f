#include "services/ssm/ssm.h"

#include "services/ssm/agent_info.h"
#include "services/ssm/operations.h"

namespace sp::services::ssm {

aws::ServiceTable makeSsm(Context& context, Commands& commands, ec2::Instances& instances, Nodes& nodes, const SecretBox& secrets) {
  keepAgentInfo(context, instances);
  aws::ServiceTable table;
  table.signing_name = "ssm";
  table.protocol = aws::Protocol::json11;
  table.target_or_namespace = "AmazonSSM";
  table.operations = {addTagsToResource(instances),
                      cancelCommand(commands),
                      createDocument(context),
                      deleteDocument(),
                      deleteParameter(),
                      deleteParameters(),
                      describeDocument(),
                      createActivation(nodes),
                      deleteActivation(),
                      deregisterManagedInstance(nodes),
                      describeActivations(),
                      describeInstanceInformation(context, instances),
                      getCommandInvocation(context, commands),
                      getDocument(),
                      getParameter(secrets),
                      getParameters(secrets),
                      getParametersByPath(secrets),
                      listCommandInvocations(context, commands, instances),
                      listCommands(commands, instances),
                      listDocumentVersions(),
                      listDocumentsOperation(),
                      listTagsForResource(instances),
                      putParameter(context, secrets),
                      removeTagsFromResource(instances),
                      sendCommand(commands),
                      updateDocument(context),
                      updateDocumentDefaultVersion(),
                      updateManagedInstanceRole()};
  return table;
}

}  // namespace sp::services::ssm
