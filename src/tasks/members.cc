// Written by tools/members.py.
#include "tasks/members.h"

#include <algorithm>
#include <array>

namespace sp::tasks {
namespace {

struct Entry {
  /// "SERVICE:Operation", with the signing name, or "SERVICE/Structure".
  std::string_view name;
  /// Each with a space before and behind it; behind ":" the structure that it is or lists.
  std::string_view members;
};

constexpr std::array<Entry, 356> kEntries = {{
    // clang-format off
    Entry{"backup/AdvancedBackupSetting", " BackupOptions ResourceType "},
    Entry{"backup/BackupPlanInput", " AdvancedBackupSettings:AdvancedBackupSetting BackupPlanName Rules:BackupRuleInput "},
    Entry{"backup/BackupRuleInput",
          " CompletionWindowMinutes CopyActions:CopyAction EnableContinuousBackup Lifecycle:Lifecycle RecoveryPointTags "
          "RuleName ScheduleExpression ScheduleExpressionTimezone StartWindowMinutes TargetBackupVaultName "},
    Entry{"backup/BackupSelection", " Conditions:Conditions IamRoleArn ListOfTags:Condition NotResources Resources SelectionName "},
    Entry{"backup/Condition", " ConditionKey ConditionType ConditionValue "},
    Entry{"backup/ConditionParameter", " ConditionKey ConditionValue "},
    Entry{"backup/Conditions",
          " StringEquals:ConditionParameter StringLike:ConditionParameter StringNotEquals:ConditionParameter "
          "StringNotLike:ConditionParameter "},
    Entry{"backup/CopyAction", " DestinationBackupVaultArn Lifecycle:Lifecycle "},
    Entry{"backup/Lifecycle", " DeleteAfterDays MoveToColdStorageAfterDays OptInToArchiveForSupportedResources "},
    Entry{"backup:CreateBackupPlan", " BackupPlan:BackupPlanInput BackupPlanTags CreatorRequestId "},
    Entry{"backup:CreateBackupSelection", " BackupPlanId BackupSelection:BackupSelection CreatorRequestId "},
    Entry{"backup:CreateBackupVault", " BackupVaultName BackupVaultTags CreatorRequestId EncryptionKeyArn "},
    Entry{"backup:DeleteBackupPlan", " BackupPlanId "},
    Entry{"backup:DeleteBackupSelection", " BackupPlanId SelectionId "},
    Entry{"backup:DeleteBackupVault", " BackupVaultName "},
    Entry{"backup:DeleteRecoveryPoint", " BackupVaultName RecoveryPointArn "},
    Entry{"backup:DescribeBackupJob", " BackupJobId "},
    Entry{"backup:DescribeBackupVault", " BackupVaultAccountId BackupVaultName "},
    Entry{"backup:DescribeRecoveryPoint", " BackupVaultAccountId BackupVaultName RecoveryPointArn "},
    Entry{"backup:DescribeRestoreJob", " RestoreJobId "},
    Entry{"backup:GetBackupPlan", " BackupPlanId VersionId "},
    Entry{"backup:GetBackupSelection", " BackupPlanId SelectionId "},
    Entry{"backup:GetRecoveryPointRestoreMetadata", " BackupVaultAccountId BackupVaultName RecoveryPointArn "},
    Entry{"backup:ListBackupJobs",
          " ByAccountId ByBackupVaultName ByCompleteAfter ByCompleteBefore ByCreatedAfter ByCreatedBefore "
          "ByMessageCategory ByParentJobId ByResourceArn ByResourceType ByState MaxResults NextToken "},
    Entry{"backup:ListBackupPlanVersions", " BackupPlanId MaxResults NextToken "},
    Entry{"backup:ListBackupPlans", " IncludeDeleted MaxResults NextToken "},
    Entry{"backup:ListBackupSelections", " BackupPlanId MaxResults NextToken "},
    Entry{"backup:ListBackupVaults", " MaxResults NextToken "},
    Entry{"backup:ListRecoveryPointsByBackupVault",
          " BackupVaultAccountId BackupVaultName ByBackupPlanId ByCreatedAfter ByCreatedBefore ByParentRecoveryPointArn "
          "ByResourceArn ByResourceType MaxResults NextToken "},
    Entry{"backup:ListRecoveryPointsByResource", " MaxResults NextToken ResourceArn "},
    Entry{"backup:ListRestoreJobs",
          " ByAccountId ByCompleteAfter ByCompleteBefore ByCreatedAfter ByCreatedBefore ByParentJobId ByResourceType "
          "ByStatus MaxResults NextToken "},
    Entry{"backup:StartBackupJob",
          " BackupOptions BackupVaultName CompleteWindowMinutes IamRoleArn IdempotencyToken Lifecycle:Lifecycle "
          "RecoveryPointTags ResourceArn StartWindowMinutes "},
    Entry{"backup:StartRestoreJob", " IamRoleArn IdempotencyToken Metadata RecoveryPointArn ResourceType "},
    Entry{"backup:StopBackupJob", " BackupJobId "},
    Entry{"backup:UpdateBackupPlan", " BackupPlan:BackupPlanInput BackupPlanId "},
    Entry{"backup:UpdateRecoveryPointLifecycle", " BackupVaultName Lifecycle:Lifecycle RecoveryPointArn "},
    Entry{"dynamodb/AttributeDefinition", " AttributeName AttributeType "},
    Entry{"dynamodb/ConditionCheck",
          " ConditionExpression ExpressionAttributeNames ExpressionAttributeValues Key "
          "ReturnValuesOnConditionCheckFailure TableName "},
    Entry{"dynamodb/CreateGlobalSecondaryIndexAction",
          " IndexName KeySchema:KeySchemaElement Projection:Projection ProvisionedThroughput:ProvisionedThroughput "},
    Entry{"dynamodb/CreateReplicationGroupMemberAction",
          " GlobalSecondaryIndexes:ReplicaGlobalSecondaryIndex KMSMasterKeyId "
          "ProvisionedThroughputOverride:ProvisionedThroughputOverride RegionName TableClassOverride "},
    Entry{"dynamodb/Delete",
          " ConditionExpression ExpressionAttributeNames ExpressionAttributeValues Key "
          "ReturnValuesOnConditionCheckFailure TableName "},
    Entry{"dynamodb/DeleteGlobalSecondaryIndexAction", " IndexName "},
    Entry{"dynamodb/DeleteReplicationGroupMemberAction", " RegionName "},
    Entry{"dynamodb/Get", " ExpressionAttributeNames Key ProjectionExpression TableName "},
    Entry{"dynamodb/GlobalSecondaryIndex",
          " IndexName KeySchema:KeySchemaElement Projection:Projection ProvisionedThroughput:ProvisionedThroughput "},
    Entry{"dynamodb/GlobalSecondaryIndexUpdate",
          " Create:CreateGlobalSecondaryIndexAction Delete:DeleteGlobalSecondaryIndexAction "
          "Update:UpdateGlobalSecondaryIndexAction "},
    Entry{"dynamodb/KeySchemaElement", " AttributeName KeyType "},
    Entry{"dynamodb/LocalSecondaryIndex", " IndexName KeySchema:KeySchemaElement Projection:Projection "},
    Entry{"dynamodb/PointInTimeRecoverySpecification", " PointInTimeRecoveryEnabled "},
    Entry{"dynamodb/Projection", " NonKeyAttributes ProjectionType "},
    Entry{"dynamodb/ProvisionedThroughput", " ReadCapacityUnits WriteCapacityUnits "},
    Entry{"dynamodb/ProvisionedThroughputOverride", " ReadCapacityUnits "},
    Entry{"dynamodb/Put",
          " ConditionExpression ExpressionAttributeNames ExpressionAttributeValues Item "
          "ReturnValuesOnConditionCheckFailure TableName "},
    Entry{"dynamodb/ReplicaGlobalSecondaryIndex", " IndexName ProvisionedThroughputOverride:ProvisionedThroughputOverride "},
    Entry{"dynamodb/ReplicationGroupUpdate",
          " Create:CreateReplicationGroupMemberAction Delete:DeleteReplicationGroupMemberAction "
          "Update:UpdateReplicationGroupMemberAction "},
    Entry{"dynamodb/SSESpecification", " Enabled KMSMasterKeyId SSEType "},
    Entry{"dynamodb/StreamSpecification", " StreamEnabled StreamViewType "},
    Entry{"dynamodb/Tag", " Key Value "},
    Entry{"dynamodb/TimeToLiveSpecification", " AttributeName Enabled "},
    Entry{"dynamodb/TransactGetItem", " Get:Get "},
    Entry{"dynamodb/TransactWriteItem", " ConditionCheck:ConditionCheck Delete:Delete Put:Put Update:Update "},
    Entry{"dynamodb/Update",
          " ConditionExpression ExpressionAttributeNames ExpressionAttributeValues Key "
          "ReturnValuesOnConditionCheckFailure TableName UpdateExpression "},
    Entry{"dynamodb/UpdateGlobalSecondaryIndexAction", " IndexName ProvisionedThroughput:ProvisionedThroughput "},
    Entry{"dynamodb/UpdateReplicationGroupMemberAction",
          " GlobalSecondaryIndexes:ReplicaGlobalSecondaryIndex KMSMasterKeyId "
          "ProvisionedThroughputOverride:ProvisionedThroughputOverride RegionName TableClassOverride "},
    Entry{"dynamodb:BatchGetItem", " RequestItems ReturnConsumedCapacity "},
    Entry{"dynamodb:BatchWriteItem", " RequestItems ReturnConsumedCapacity ReturnItemCollectionMetrics "},
    Entry{"dynamodb:CreateTable",
          " AttributeDefinitions:AttributeDefinition BillingMode DeletionProtectionEnabled "
          "GlobalSecondaryIndexes:GlobalSecondaryIndex KeySchema:KeySchemaElement "
          "LocalSecondaryIndexes:LocalSecondaryIndex ProvisionedThroughput:ProvisionedThroughput "
          "SSESpecification:SSESpecification StreamSpecification:StreamSpecification TableClass TableName Tags:Tag "},
    Entry{"dynamodb:DeleteItem",
          " ConditionExpression ConditionalOperator Expected ExpressionAttributeNames ExpressionAttributeValues Key "
          "ReturnConsumedCapacity ReturnItemCollectionMetrics ReturnValues ReturnValuesOnConditionCheckFailure TableName "},
    Entry{"dynamodb:DeleteTable", " TableName "},
    Entry{"dynamodb:DescribeContinuousBackups", " TableName "},
    Entry{"dynamodb:DescribeEndpoints", " "},
    Entry{"dynamodb:DescribeLimits", " "},
    Entry{"dynamodb:DescribeTable", " TableName "},
    Entry{"dynamodb:DescribeTimeToLive", " TableName "},
    Entry{"dynamodb:GetItem",
          " AttributesToGet ConsistentRead ExpressionAttributeNames Key ProjectionExpression ReturnConsumedCapacity "
          "TableName "},
    Entry{"dynamodb:ListTables", " ExclusiveStartTableName Limit "},
    Entry{"dynamodb:ListTagsOfResource", " NextToken ResourceArn "},
    Entry{"dynamodb:PutItem",
          " ConditionExpression ConditionalOperator Expected ExpressionAttributeNames ExpressionAttributeValues Item "
          "ReturnConsumedCapacity ReturnItemCollectionMetrics ReturnValues ReturnValuesOnConditionCheckFailure TableName "},
    Entry{"dynamodb:Query",
          " AttributesToGet ConditionalOperator ConsistentRead ExclusiveStartKey ExpressionAttributeNames "
          "ExpressionAttributeValues FilterExpression IndexName KeyConditionExpression KeyConditions Limit "
          "ProjectionExpression QueryFilter ReturnConsumedCapacity ScanIndexForward Select TableName "},
    Entry{"dynamodb:Scan",
          " AttributesToGet ConditionalOperator ConsistentRead ExclusiveStartKey ExpressionAttributeNames "
          "ExpressionAttributeValues FilterExpression IndexName Limit ProjectionExpression ReturnConsumedCapacity "
          "ScanFilter Segment Select TableName TotalSegments "},
    Entry{"dynamodb:TagResource", " ResourceArn Tags:Tag "},
    Entry{"dynamodb:TransactGetItems", " ReturnConsumedCapacity TransactItems:TransactGetItem "},
    Entry{"dynamodb:TransactWriteItems",
          " ClientRequestToken ReturnConsumedCapacity ReturnItemCollectionMetrics TransactItems:TransactWriteItem "},
    Entry{"dynamodb:UntagResource", " ResourceArn TagKeys "},
    Entry{"dynamodb:UpdateContinuousBackups", " PointInTimeRecoverySpecification:PointInTimeRecoverySpecification TableName "},
    Entry{"dynamodb:UpdateItem",
          " AttributeUpdates ConditionExpression ConditionalOperator Expected ExpressionAttributeNames "
          "ExpressionAttributeValues Key ReturnConsumedCapacity ReturnItemCollectionMetrics ReturnValues "
          "ReturnValuesOnConditionCheckFailure TableName UpdateExpression "},
    Entry{"dynamodb:UpdateTable",
          " AttributeDefinitions:AttributeDefinition BillingMode DeletionProtectionEnabled "
          "GlobalSecondaryIndexUpdates:GlobalSecondaryIndexUpdate ProvisionedThroughput:ProvisionedThroughput "
          "ReplicaUpdates:ReplicationGroupUpdate SSESpecification:SSESpecification "
          "StreamSpecification:StreamSpecification TableClass TableName "},
    Entry{"dynamodb:UpdateTimeToLive", " TableName TimeToLiveSpecification:TimeToLiveSpecification "},
    Entry{"ec2/AttributeBooleanValue", " Value "},
    Entry{"ec2/AttributeValue", " Value "},
    Entry{"ec2/BlobAttributeValue", " Value "},
    Entry{"ec2/BlockDeviceMapping", " DeviceName Ebs:EbsBlockDevice NoDevice VirtualName "},
    Entry{"ec2/CapacityReservationSpecification", " CapacityReservationPreference CapacityReservationTarget:CapacityReservationTarget "},
    Entry{"ec2/CapacityReservationTarget", " CapacityReservationId CapacityReservationResourceGroupArn "},
    Entry{"ec2/CpuOptionsRequest", " CoreCount ThreadsPerCore "},
    Entry{"ec2/CreditSpecificationRequest", " CpuCredits "},
    Entry{"ec2/EbsBlockDevice", " DeleteOnTermination Encrypted Iops KmsKeyId OutpostArn SnapshotId Throughput VolumeSize VolumeType "},
    Entry{"ec2/EbsInstanceBlockDeviceSpecification", " DeleteOnTermination VolumeId "},
    Entry{"ec2/ElasticGpuSpecification", " Type "},
    Entry{"ec2/ElasticInferenceAccelerator", " Count Type "},
    Entry{"ec2/EnclaveOptionsRequest", " Enabled "},
    Entry{"ec2/Filter", " Name Values "},
    Entry{"ec2/HibernationOptionsRequest", " Configured "},
    Entry{"ec2/IamInstanceProfileSpecification", " Arn Name "},
    Entry{"ec2/InstanceBlockDeviceMappingSpecification", " DeviceName Ebs:EbsInstanceBlockDeviceSpecification NoDevice VirtualName "},
    Entry{"ec2/InstanceIpv6Address", " Ipv6Address "},
    Entry{"ec2/InstanceMaintenanceOptionsRequest", " AutoRecovery "},
    Entry{"ec2/InstanceMarketOptionsRequest", " MarketType SpotOptions:SpotMarketOptions "},
    Entry{"ec2/InstanceMetadataOptionsRequest", " HttpEndpoint HttpProtocolIpv6 HttpPutResponseHopLimit HttpTokens InstanceMetadataTags "},
    Entry{"ec2/InstanceNetworkInterfaceSpecification",
          " AssociateCarrierIpAddress AssociatePublicIpAddress DeleteOnTermination Description DeviceIndex Groups "
          "InterfaceType Ipv4PrefixCount Ipv4Prefixes:Ipv4PrefixSpecificationRequest Ipv6AddressCount "
          "Ipv6Addresses:InstanceIpv6Address Ipv6PrefixCount Ipv6Prefixes:Ipv6PrefixSpecificationRequest "
          "NetworkCardIndex NetworkInterfaceId PrivateIpAddress PrivateIpAddresses:PrivateIpAddressSpecification "
          "SecondaryPrivateIpAddressCount SubnetId "},
    Entry{"ec2/Ipv4PrefixSpecificationRequest", " Ipv4Prefix "},
    Entry{"ec2/Ipv6PrefixSpecificationRequest", " Ipv6Prefix "},
    Entry{"ec2/LaunchTemplateSpecification", " LaunchTemplateId LaunchTemplateName Version "},
    Entry{"ec2/LicenseConfigurationRequest", " LicenseConfigurationArn "},
    Entry{"ec2/Placement",
          " Affinity AvailabilityZone GroupId GroupName HostId HostResourceGroupArn PartitionNumber SpreadDomain Tenancy "},
    Entry{"ec2/PrivateDnsNameOptionsRequest", " EnableResourceNameDnsAAAARecord EnableResourceNameDnsARecord HostnameType "},
    Entry{"ec2/PrivateIpAddressSpecification", " Primary PrivateIpAddress "},
    Entry{"ec2/RunInstancesMonitoringEnabled", " Enabled "},
    Entry{"ec2/SpotMarketOptions", " BlockDurationMinutes InstanceInterruptionBehavior MaxPrice SpotInstanceType ValidUntil "},
    Entry{"ec2/Tag", " Key Value "},
    Entry{"ec2/TagSpecification", " ResourceType Tags:Tag "},
    Entry{"ec2:CreateTags", " DryRun Resources Tags:Tag "},
    Entry{"ec2:DeleteTags", " DryRun Resources Tags:Tag "},
    Entry{"ec2:DescribeAvailabilityZones", " AllAvailabilityZones DryRun Filters:Filter ZoneIds ZoneNames "},
    Entry{"ec2:DescribeImages", " DryRun ExecutableUsers Filters:Filter ImageIds IncludeDeprecated Owners "},
    Entry{"ec2:DescribeInstanceAttribute", " Attribute DryRun InstanceId "},
    Entry{"ec2:DescribeInstanceStatus", " DryRun Filters:Filter IncludeAllInstances InstanceIds MaxResults NextToken "},
    Entry{"ec2:DescribeInstances", " DryRun Filters:Filter InstanceIds MaxResults NextToken "},
    Entry{"ec2:DescribeRegions", " AllRegions DryRun Filters:Filter RegionNames "},
    Entry{"ec2:DescribeSnapshots", " DryRun Filters:Filter MaxResults NextToken OwnerIds RestorableByUserIds SnapshotIds "},
    Entry{"ec2:DescribeTags", " DryRun Filters:Filter MaxResults NextToken "},
    Entry{"ec2:DescribeVolumes", " DryRun Filters:Filter MaxResults NextToken VolumeIds "},
    Entry{"ec2:ModifyInstanceAttribute",
          " Attribute BlockDeviceMappings:InstanceBlockDeviceMappingSpecification DisableApiStop:AttributeBooleanValue "
          "DisableApiTermination:AttributeBooleanValue DryRun EbsOptimized:AttributeBooleanValue "
          "EnaSupport:AttributeBooleanValue Groups InstanceId InstanceInitiatedShutdownBehavior:AttributeValue "
          "InstanceType:AttributeValue Kernel:AttributeValue Ramdisk:AttributeValue "
          "SourceDestCheck:AttributeBooleanValue SriovNetSupport:AttributeValue UserData:BlobAttributeValue Value "},
    Entry{"ec2:RebootInstances", " DryRun InstanceIds "},
    Entry{"ec2:RunInstances",
          " AdditionalInfo BlockDeviceMappings:BlockDeviceMapping "
          "CapacityReservationSpecification:CapacityReservationSpecification ClientToken CpuOptions:CpuOptionsRequest "
          "CreditSpecification:CreditSpecificationRequest DisableApiStop DisableApiTermination DryRun EbsOptimized "
          "ElasticGpuSpecification:ElasticGpuSpecification ElasticInferenceAccelerators:ElasticInferenceAccelerator "
          "EnclaveOptions:EnclaveOptionsRequest HibernationOptions:HibernationOptionsRequest "
          "IamInstanceProfile:IamInstanceProfileSpecification ImageId InstanceInitiatedShutdownBehavior "
          "InstanceMarketOptions:InstanceMarketOptionsRequest InstanceType Ipv6AddressCount "
          "Ipv6Addresses:InstanceIpv6Address KernelId KeyName LaunchTemplate:LaunchTemplateSpecification "
          "LicenseSpecifications:LicenseConfigurationRequest MaintenanceOptions:InstanceMaintenanceOptionsRequest "
          "MaxCount MetadataOptions:InstanceMetadataOptionsRequest MinCount Monitoring:RunInstancesMonitoringEnabled "
          "NetworkInterfaces:InstanceNetworkInterfaceSpecification Placement:Placement "
          "PrivateDnsNameOptions:PrivateDnsNameOptionsRequest PrivateIpAddress RamdiskId SecurityGroupIds SecurityGroups "
          "SubnetId TagSpecifications:TagSpecification UserData "},
    Entry{"ec2:StartInstances", " AdditionalInfo DryRun InstanceIds "},
    Entry{"ec2:StopInstances", " DryRun Force Hibernate InstanceIds "},
    Entry{"ec2:TerminateInstances", " DryRun Force InstanceIds "},
    Entry{"events/AwsVpcConfiguration", " AssignPublicIp SecurityGroups Subnets "},
    Entry{"events/BatchArrayProperties", " Size "},
    Entry{"events/BatchParameters", " ArrayProperties:BatchArrayProperties JobDefinition JobName RetryStrategy:BatchRetryStrategy "},
    Entry{"events/BatchRetryStrategy", " Attempts "},
    Entry{"events/CapacityProviderStrategyItem", " Base CapacityProvider Weight "},
    Entry{"events/Condition", " Key Type Value "},
    Entry{"events/ConnectionBodyParameter", " IsValueSecret Key Value "},
    Entry{"events/ConnectionHeaderParameter", " IsValueSecret Key Value "},
    Entry{"events/ConnectionHttpParameters",
          " BodyParameters:ConnectionBodyParameter HeaderParameters:ConnectionHeaderParameter "
          "QueryStringParameters:ConnectionQueryStringParameter "},
    Entry{"events/ConnectionQueryStringParameter", " IsValueSecret Key Value "},
    Entry{"events/CreateConnectionApiKeyAuthRequestParameters", " ApiKeyName ApiKeyValue "},
    Entry{"events/CreateConnectionAuthRequestParameters",
          " ApiKeyAuthParameters:CreateConnectionApiKeyAuthRequestParameters "
          "BasicAuthParameters:CreateConnectionBasicAuthRequestParameters "
          "InvocationHttpParameters:ConnectionHttpParameters OAuthParameters:CreateConnectionOAuthRequestParameters "},
    Entry{"events/CreateConnectionBasicAuthRequestParameters", " Password Username "},
    Entry{"events/CreateConnectionOAuthClientRequestParameters", " ClientID ClientSecret "},
    Entry{"events/CreateConnectionOAuthRequestParameters",
          " AuthorizationEndpoint ClientParameters:CreateConnectionOAuthClientRequestParameters HttpMethod "
          "OAuthHttpParameters:ConnectionHttpParameters "},
    Entry{"events/DeadLetterConfig", " Arn "},
    Entry{"events/EcsParameters",
          " CapacityProviderStrategy:CapacityProviderStrategyItem EnableECSManagedTags EnableExecuteCommand Group "
          "LaunchType NetworkConfiguration:NetworkConfiguration PlacementConstraints:PlacementConstraint "
          "PlacementStrategy:PlacementStrategy PlatformVersion PropagateTags ReferenceId Tags:Tag TaskCount "
          "TaskDefinitionArn "},
    Entry{"events/HttpParameters", " HeaderParameters PathParameterValues QueryStringParameters "},
    Entry{"events/InputTransformer", " InputPathsMap InputTemplate "},
    Entry{"events/KinesisParameters", " PartitionKeyPath "},
    Entry{"events/NetworkConfiguration", " AwsvpcConfiguration:AwsVpcConfiguration "},
    Entry{"events/PlacementConstraint", " Expression Type "},
    Entry{"events/PlacementStrategy", " Field Type "},
    Entry{"events/PutEventsRequestEntry", " Detail DetailType EventBusName Resources Source Time TraceHeader "},
    Entry{"events/RedshiftDataParameters", " Database DbUser SecretManagerArn Sql StatementName WithEvent "},
    Entry{"events/RetryPolicy", " MaximumEventAgeInSeconds MaximumRetryAttempts "},
    Entry{"events/RunCommandParameters", " RunCommandTargets:RunCommandTarget "},
    Entry{"events/RunCommandTarget", " Key Values "},
    Entry{"events/SageMakerPipelineParameter", " Name Value "},
    Entry{"events/SageMakerPipelineParameters", " PipelineParameterList:SageMakerPipelineParameter "},
    Entry{"events/SqsParameters", " MessageGroupId "},
    Entry{"events/Tag", " Key Value "},
    Entry{"events/Target",
          " Arn BatchParameters:BatchParameters DeadLetterConfig:DeadLetterConfig EcsParameters:EcsParameters "
          "HttpParameters:HttpParameters Id Input InputPath InputTransformer:InputTransformer "
          "KinesisParameters:KinesisParameters RedshiftDataParameters:RedshiftDataParameters RetryPolicy:RetryPolicy "
          "RoleArn RunCommandParameters:RunCommandParameters SageMakerPipelineParameters:SageMakerPipelineParameters "
          "SqsParameters:SqsParameters "},
    Entry{"events/UpdateConnectionApiKeyAuthRequestParameters", " ApiKeyName ApiKeyValue "},
    Entry{"events/UpdateConnectionAuthRequestParameters",
          " ApiKeyAuthParameters:UpdateConnectionApiKeyAuthRequestParameters "
          "BasicAuthParameters:UpdateConnectionBasicAuthRequestParameters "
          "InvocationHttpParameters:ConnectionHttpParameters OAuthParameters:UpdateConnectionOAuthRequestParameters "},
    Entry{"events/UpdateConnectionBasicAuthRequestParameters", " Password Username "},
    Entry{"events/UpdateConnectionOAuthClientRequestParameters", " ClientID ClientSecret "},
    Entry{"events/UpdateConnectionOAuthRequestParameters",
          " AuthorizationEndpoint ClientParameters:UpdateConnectionOAuthClientRequestParameters HttpMethod "
          "OAuthHttpParameters:ConnectionHttpParameters "},
    Entry{"events:CreateApiDestination", " ConnectionArn Description HttpMethod InvocationEndpoint InvocationRateLimitPerSecond Name "},
    Entry{"events:CreateConnection", " AuthParameters:CreateConnectionAuthRequestParameters AuthorizationType Description Name "},
    Entry{"events:CreateEventBus", " EventSourceName Name Tags:Tag "},
    Entry{"events:DeauthorizeConnection", " Name "},
    Entry{"events:DeleteApiDestination", " Name "},
    Entry{"events:DeleteConnection", " Name "},
    Entry{"events:DeleteEventBus", " Name "},
    Entry{"events:DeleteRule", " EventBusName Force Name "},
    Entry{"events:DescribeApiDestination", " Name "},
    Entry{"events:DescribeConnection", " Name "},
    Entry{"events:DescribeEventBus", " Name "},
    Entry{"events:DescribeRule", " EventBusName Name "},
    Entry{"events:DisableRule", " EventBusName Name "},
    Entry{"events:EnableRule", " EventBusName Name "},
    Entry{"events:ListApiDestinations", " ConnectionArn Limit NamePrefix NextToken "},
    Entry{"events:ListConnections", " ConnectionState Limit NamePrefix NextToken "},
    Entry{"events:ListEventBuses", " Limit NamePrefix NextToken "},
    Entry{"events:ListRuleNamesByTarget", " EventBusName Limit NextToken TargetArn "},
    Entry{"events:ListRules", " EventBusName Limit NamePrefix NextToken "},
    Entry{"events:ListTagsForResource", " ResourceARN "},
    Entry{"events:ListTargetsByRule", " EventBusName Limit NextToken Rule "},
    Entry{"events:PutEvents", " EndpointId Entries:PutEventsRequestEntry "},
    Entry{"events:PutPermission", " Action Condition:Condition EventBusName Policy Principal StatementId "},
    Entry{"events:PutRule", " Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags:Tag "},
    Entry{"events:PutTargets", " EventBusName Rule Targets:Target "},
    Entry{"events:RemovePermission", " EventBusName RemoveAllPermissions StatementId "},
    Entry{"events:RemoveTargets", " EventBusName Force Ids Rule "},
    Entry{"events:TagResource", " ResourceARN Tags:Tag "},
    Entry{"events:TestEventPattern", " Event EventPattern "},
    Entry{"events:UntagResource", " ResourceARN TagKeys "},
    Entry{"events:UpdateApiDestination", " ConnectionArn Description HttpMethod InvocationEndpoint InvocationRateLimitPerSecond Name "},
    Entry{"events:UpdateConnection", " AuthParameters:UpdateConnectionAuthRequestParameters AuthorizationType Description Name "},
    Entry{"iam/Tag", " Key Value "},
    Entry{"iam:AttachRolePolicy", " PolicyArn RoleName "},
    Entry{"iam:CreateRole", " AssumeRolePolicyDocument Description MaxSessionDuration Path PermissionsBoundary RoleName Tags:Tag "},
    Entry{"iam:DeleteRole", " RoleName "},
    Entry{"iam:DeleteRolePolicy", " PolicyName RoleName "},
    Entry{"iam:DetachRolePolicy", " PolicyArn RoleName "},
    Entry{"iam:GetRole", " RoleName "},
    Entry{"iam:GetRolePolicy", " PolicyName RoleName "},
    Entry{"iam:ListAttachedRolePolicies", " Marker MaxItems PathPrefix RoleName "},
    Entry{"iam:ListInstanceProfilesForRole", " Marker MaxItems RoleName "},
    Entry{"iam:ListRolePolicies", " Marker MaxItems RoleName "},
    Entry{"iam:ListRoleTags", " Marker MaxItems RoleName "},
    Entry{"iam:ListRoles", " Marker MaxItems PathPrefix "},
    Entry{"iam:PutRolePolicy", " PolicyDocument PolicyName RoleName "},
    Entry{"iam:TagRole", " RoleName Tags:Tag "},
    Entry{"iam:UntagRole", " RoleName TagKeys "},
    Entry{"iam:UpdateAssumeRolePolicy", " PolicyDocument RoleName "},
    Entry{"iam:UpdateRole", " Description MaxSessionDuration RoleName "},
    Entry{"iam:UpdateRoleDescription", " Description RoleName "},
    Entry{"lambda:Invoke", " ClientContext FunctionName InvocationType LogType Payload Qualifier "},
    Entry{"scheduler/AwsVpcConfiguration", " AssignPublicIp SecurityGroups Subnets "},
    Entry{"scheduler/CapacityProviderStrategyItem", " Base CapacityProvider Weight "},
    Entry{"scheduler/DeadLetterConfig", " Arn "},
    Entry{"scheduler/EcsParameters",
          " CapacityProviderStrategy:CapacityProviderStrategyItem EnableECSManagedTags EnableExecuteCommand Group "
          "LaunchType NetworkConfiguration:NetworkConfiguration PlacementConstraints:PlacementConstraint "
          "PlacementStrategy:PlacementStrategy PlatformVersion PropagateTags ReferenceId Tags TaskCount "
          "TaskDefinitionArn "},
    Entry{"scheduler/EventBridgeParameters", " DetailType Source "},
    Entry{"scheduler/FlexibleTimeWindow", " MaximumWindowInMinutes Mode "},
    Entry{"scheduler/KinesisParameters", " PartitionKey "},
    Entry{"scheduler/NetworkConfiguration", " AwsvpcConfiguration:AwsVpcConfiguration "},
    Entry{"scheduler/PlacementConstraint", " Expression Type "},
    Entry{"scheduler/PlacementStrategy", " Field Type "},
    Entry{"scheduler/RetryPolicy", " MaximumEventAgeInSeconds MaximumRetryAttempts "},
    Entry{"scheduler/SageMakerPipelineParameter", " Name Value "},
    Entry{"scheduler/SageMakerPipelineParameters", " PipelineParameterList:SageMakerPipelineParameter "},
    Entry{"scheduler/SqsParameters", " MessageGroupId "},
    Entry{"scheduler/Tag", " Key Value "},
    Entry{"scheduler/Target",
          " Arn DeadLetterConfig:DeadLetterConfig EcsParameters:EcsParameters "
          "EventBridgeParameters:EventBridgeParameters Input KinesisParameters:KinesisParameters RetryPolicy:RetryPolicy "
          "RoleArn SageMakerPipelineParameters:SageMakerPipelineParameters SqsParameters:SqsParameters "},
    Entry{"scheduler:CreateSchedule",
          " ActionAfterCompletion ClientToken Description EndDate FlexibleTimeWindow:FlexibleTimeWindow GroupName "
          "KmsKeyArn Name ScheduleExpression ScheduleExpressionTimezone StartDate State Target:Target "},
    Entry{"scheduler:CreateScheduleGroup", " ClientToken Name Tags:Tag "},
    Entry{"scheduler:DeleteSchedule", " ClientToken GroupName Name "},
    Entry{"scheduler:DeleteScheduleGroup", " ClientToken Name "},
    Entry{"scheduler:GetSchedule", " GroupName Name "},
    Entry{"scheduler:GetScheduleGroup", " Name "},
    Entry{"scheduler:ListScheduleGroups", " MaxResults NamePrefix NextToken "},
    Entry{"scheduler:ListSchedules", " GroupName MaxResults NamePrefix NextToken State "},
    Entry{"scheduler:ListTagsForResource", " ResourceArn "},
    Entry{"scheduler:TagResource", " ResourceArn Tags:Tag "},
    Entry{"scheduler:UntagResource", " ResourceArn TagKeys "},
    Entry{"scheduler:UpdateSchedule",
          " ActionAfterCompletion ClientToken Description EndDate FlexibleTimeWindow:FlexibleTimeWindow GroupName "
          "KmsKeyArn Name ScheduleExpression ScheduleExpressionTimezone StartDate State Target:Target "},
    Entry{"ssm/Alarm", " Name "},
    Entry{"ssm/AlarmConfiguration", " Alarms:Alarm IgnorePollAlarmFailure "},
    Entry{"ssm/AttachmentsSource", " Key Name Values "},
    Entry{"ssm/CloudWatchOutputConfig", " CloudWatchLogGroupName CloudWatchOutputEnabled "},
    Entry{"ssm/CommandFilter", " Key Value "},
    Entry{"ssm/DescribeActivationsFilter", " FilterKey FilterValues "},
    Entry{"ssm/DocumentFilter", " Key Value "},
    Entry{"ssm/DocumentKeyValuesFilter", " Key Values "},
    Entry{"ssm/DocumentRequires", " Name Version "},
    Entry{"ssm/InstanceInformationFilter", " Key ValueSet "},
    Entry{"ssm/InstanceInformationStringFilter", " Key Values "},
    Entry{"ssm/NotificationConfig", " NotificationArn NotificationEvents NotificationType "},
    Entry{"ssm/ParameterStringFilter", " Key Option Values "},
    Entry{"ssm/RegistrationMetadataItem", " Key Value "},
    Entry{"ssm/Tag", " Key Value "},
    Entry{"ssm/Target", " Key Values "},
    Entry{"ssm:AddTagsToResource", " ResourceId ResourceType Tags:Tag "},
    Entry{"ssm:CancelCommand", " CommandId InstanceIds "},
    Entry{"ssm:CreateActivation",
          " DefaultInstanceName Description ExpirationDate IamRole RegistrationLimit "
          "RegistrationMetadata:RegistrationMetadataItem Tags:Tag "},
    Entry{"ssm:CreateDocument",
          " Attachments:AttachmentsSource Content DisplayName DocumentFormat DocumentType Name Requires:DocumentRequires "
          "Tags:Tag TargetType VersionName "},
    Entry{"ssm:DeleteActivation", " ActivationId "},
    Entry{"ssm:DeleteDocument", " DocumentVersion Force Name VersionName "},
    Entry{"ssm:DeleteParameter", " Name "},
    Entry{"ssm:DeleteParameters", " Names "},
    Entry{"ssm:DeregisterManagedInstance", " InstanceId "},
    Entry{"ssm:DescribeActivations", " Filters:DescribeActivationsFilter MaxResults NextToken "},
    Entry{"ssm:DescribeDocument", " DocumentVersion Name VersionName "},
    Entry{"ssm:DescribeInstanceInformation",
          " Filters:InstanceInformationStringFilter InstanceInformationFilterList:InstanceInformationFilter MaxResults "
          "NextToken "},
    Entry{"ssm:GetCommandInvocation", " CommandId InstanceId PluginName "},
    Entry{"ssm:GetDocument", " DocumentFormat DocumentVersion Name VersionName "},
    Entry{"ssm:GetParameter", " Name WithDecryption "},
    Entry{"ssm:GetParameters", " Names WithDecryption "},
    Entry{"ssm:GetParametersByPath", " MaxResults NextToken ParameterFilters:ParameterStringFilter Path Recursive WithDecryption "},
    Entry{"ssm:ListCommandInvocations", " CommandId Details Filters:CommandFilter InstanceId MaxResults NextToken "},
    Entry{"ssm:ListCommands", " CommandId Filters:CommandFilter InstanceId MaxResults NextToken "},
    Entry{"ssm:ListDocumentVersions", " MaxResults Name NextToken "},
    Entry{"ssm:ListDocuments", " DocumentFilterList:DocumentFilter Filters:DocumentKeyValuesFilter MaxResults NextToken "},
    Entry{"ssm:ListTagsForResource", " ResourceId ResourceType "},
    Entry{"ssm:PutParameter", " AllowedPattern DataType Description KeyId Name Overwrite Policies Tags:Tag Tier Type Value "},
    Entry{"ssm:RemoveTagsFromResource", " ResourceId ResourceType TagKeys "},
    Entry{"ssm:SendCommand",
          " AlarmConfiguration:AlarmConfiguration CloudWatchOutputConfig:CloudWatchOutputConfig Comment DocumentHash "
          "DocumentHashType DocumentName DocumentVersion InstanceIds MaxConcurrency MaxErrors "
          "NotificationConfig:NotificationConfig OutputS3BucketName OutputS3KeyPrefix OutputS3Region Parameters "
          "ServiceRoleArn Targets:Target TimeoutSeconds "},
    Entry{"ssm:UpdateDocument",
          " Attachments:AttachmentsSource Content DisplayName DocumentFormat DocumentVersion Name TargetType VersionName "},
    Entry{"ssm:UpdateDocumentDefaultVersion", " DocumentVersion Name "},
    Entry{"ssm:UpdateManagedInstanceRole", " IamRole InstanceId "},
    Entry{"states/CloudWatchLogsLogGroup", " LogGroupArn "},
    Entry{"states/LogDestination", " CloudWatchLogsLogGroup:CloudWatchLogsLogGroup "},
    Entry{"states/LoggingConfiguration", " Destinations:LogDestination IncludeExecutionData Level "},
    Entry{"states/Tag", " Key Value "},
    Entry{"states/TracingConfiguration", " Enabled "},
    Entry{"states:CreateActivity", " EncryptionConfiguration Name Tags:Tag "},
    Entry{"states:CreateStateMachine",
          " Definition EncryptionConfiguration LoggingConfiguration:LoggingConfiguration Name Publish RoleArn Tags:Tag "
          "TracingConfiguration:TracingConfiguration Type VersionDescription "},
    Entry{"states:DeleteActivity", " ActivityArn "},
    Entry{"states:DeleteStateMachine", " StateMachineArn "},
    Entry{"states:DescribeActivity", " ActivityArn "},
    Entry{"states:DescribeExecution", " ExecutionArn IncludedData "},
    Entry{"states:DescribeStateMachine", " IncludedData StateMachineArn "},
    Entry{"states:DescribeStateMachineForExecution", " ExecutionArn IncludedData "},
    Entry{"states:GetActivityTask", " ActivityArn WorkerName "},
    Entry{"states:GetExecutionHistory", " ExecutionArn IncludeExecutionData MaxResults NextToken ReverseOrder "},
    Entry{"states:ListActivities", " MaxResults NextToken "},
    Entry{"states:ListExecutions", " MapRunArn MaxResults NextToken RedriveFilter StateMachineArn StatusFilter "},
    Entry{"states:ListStateMachines", " MaxResults NextToken "},
    Entry{"states:ListTagsForResource", " ResourceArn "},
    Entry{"states:SendTaskFailure", " Cause Error TaskToken "},
    Entry{"states:SendTaskHeartbeat", " TaskToken "},
    Entry{"states:SendTaskSuccess", " Output TaskToken "},
    Entry{"states:StartExecution", " Input Name StateMachineArn TraceHeader "},
    Entry{"states:StopExecution", " Cause Error ExecutionArn "},
    Entry{"states:TagResource", " ResourceArn Tags:Tag "},
    Entry{"states:UntagResource", " ResourceArn TagKeys "},
    Entry{"states:UpdateStateMachine",
          " Definition EncryptionConfiguration LoggingConfiguration:LoggingConfiguration Publish RoleArn StateMachineArn "
          "TracingConfiguration:TracingConfiguration VersionDescription "},
    Entry{"stillpoint/Power",
          " Argv CommandTimeoutInSeconds ForceStop GuestAgent PollSeconds RunningWords Start StartTimeoutInSeconds "
          "Status Stop StopTimeoutInSeconds StoppedWords "},
    Entry{"stillpoint/Tag", " Key Value "},
    Entry{"stillpoint:AddInstance", " Driver HeldBy HostName Power:Power Tags:Tag Volumes "},
    Entry{"stillpoint:CreateEnrolmentToken", " ExpiresInSeconds InstanceId Name Tags:Tag Uses "},
    Entry{"stillpoint:DeleteDeadLetters", " LetterIds NextToken QueueName "},
    Entry{"stillpoint:DeleteEnrolmentToken", " TokenId "},
    Entry{"stillpoint:DescribeDeadLetter", " LetterId QueueName "},
    Entry{"stillpoint:DescribeInvocation", " CommandId InstanceId "},
    Entry{"stillpoint:DescribeRun", " ExecutionArn "},
    Entry{"stillpoint:DescribeServer", " "},
    Entry{"stillpoint:ExportVaultKeys", " BackupVaultName "},
    Entry{"stillpoint:ListAgents", " InstanceId "},
    Entry{"stillpoint:ListDeadLetterQueues", " MaxResults NextToken "},
    Entry{"stillpoint:ListDeadLetters", " MaxResults NextToken QueueName "},
    Entry{"stillpoint:ListEnrolmentTokens", " "},
    Entry{"stillpoint:ListInstances", " InstanceId MaxResults NextToken "},
    Entry{"stillpoint:ListOwed", " InstanceId "},
    Entry{"stillpoint:ListRepositories", " BackupVaultName Look "},
    Entry{"stillpoint:ListUpcomingRuns", " MaxResults NextToken Runs "},
    Entry{"stillpoint:PauseBackupPlan", " BackupPlanId "},
    Entry{"stillpoint:RedriveDeadLetters", " LetterIds NextToken QueueName "},
    Entry{"stillpoint:RemoveInstance", " InstanceId "},
    Entry{"stillpoint:ResumeBackupPlan", " BackupPlanId "},
    Entry{"stillpoint:RevokeAgent", " InstanceId "},
    Entry{"stillpoint:SetInstancePower", " Driver HeldBy HostName InstanceId Power:Power Volumes "},
    Entry{"stillpoint:Start", " InstanceId "},
    Entry{"stillpoint:TagInstance", " InstanceId RemoveTagKeys Tags:Tag "},
    Entry{"stillpoint:Thaw", " InstanceId "},
    Entry{"sts:GetCallerIdentity", " "},
    // clang-format on
}};

}  // namespace

std::string inputOf(std::string_view service, std::string_view operation) { return std::string(service) + ":" + std::string(operation); }

std::optional<std::string> memberOf(std::string_view structure, std::string_view member) {
  const auto* entry = std::ranges::lower_bound(kEntries, structure, {}, &Entry::name);
  if (entry == kEntries.end() || entry->name != structure) return std::string();
  if (member.empty() || member.find_first_of(" :") != std::string_view::npos) return std::nullopt;
  auto rest = entry->members;
  const auto at = rest.find(" " + std::string(member) + " ");
  if (at != std::string_view::npos) return std::string();
  const auto mark = " " + std::string(member) + ":";
  const auto marked = rest.find(mark);
  if (marked == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(marked + mark.size());
  return std::string(structure.substr(0, structure.find_first_of(":/"))) + "/" + std::string(rest.substr(0, rest.find(' ')));
}

}  // namespace sp::tasks
