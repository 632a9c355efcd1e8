package eventbridge

import (
	"regexp"

	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// The shapes below transcribe the constraints of AWS's service model, version
// 2015-10-07: https://docs.aws.amazon.com/eventbridge/latest/APIReference/.

// named is the pattern of names: one or more of . - _ A–Z a–z 0–9.
//
//nolint:gochecknoglobals // a constant
var named = &shape.Pattern{Text: `[\.\-_A-Za-z0-9]+`, Match: isName}

func isName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

// notBlank is the model's ^(?!\s*$).+ , which Go's regular expressions cannot say.
//
//nolint:gochecknoglobals // a constant
var notBlank = &shape.Pattern{Text: `^(?!\s*$).+`, Match: regexp.MustCompile(`\A.*\S.*\z`).MatchString}

// Texts that several operations share.
//
//nolint:gochecknoglobals // a constant table
var (
	anyText      = shape.Text(shape.None, shape.None, nil)
	boolean      = shape.Boolean()
	timestamp    = shape.Time()
	anyInteger   = shape.Integer(shape.None, shape.None)
	arn          = shape.Text(1, 1600, nil)
	busName      = shape.Text(1, 256, shape.Regular(`[/\.\-_A-Za-z0-9]+`))
	busNameOrARN = shape.Text(1, 1600, shape.Regular(`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/\.\-_A-Za-z0-9]+`))
	ownBusName   = shape.Text(1, 256, named)
	publishBus   = shape.Text(1, 1600, shape.Regular(`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[\.\-_A-Za-z0-9]+`))
	ruleName     = shape.Text(1, 64, named)
	targetID     = shape.Text(1, 64, named)
	eventPattern = shape.Text(shape.None, 4096, nil)
	description  = shape.Text(shape.None, 512, nil)
	kmsKey       = shape.Text(shape.None, 2048, shape.Regular(`^[a-zA-Z0-9_\-/:]*$`))
	ruleState    = shape.OneOf("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
	nextToken    = shape.Text(1, 2048, nil)
	pageLimit    = shape.Integer(1, 100)
	tagKey       = shape.Text(1, 128, nil)
	tag          = shape.Structure("Tag", shape.Need("Key", tagKey), shape.Need("Value", shape.Text(0, 256, nil)))
	tagList      = shape.List(tag, shape.None, shape.None)
	deadLetter   = shape.Structure("DeadLetterConfig", shape.May("Arn", arn))
	logConfig    = shape.Structure("LogConfig", shape.May("IncludeDetail", shape.OneOf("NONE", "FULL")), shape.May("Level", shape.OneOf("OFF", "ERROR", "INFO", "TRACE")))
	statementID  = shape.Text(1, 64, shape.Regular(`[a-zA-Z0-9-_]+`))
)

// Requests about buses.
//
//nolint:gochecknoglobals // a constant table
var (
	createEventBusInput = shape.Structure("CreateEventBusRequest",
		shape.Need("Name", busName),
		shape.May("EventSourceName", shape.Text(1, 256, shape.Regular(`aws\.partner(/[\.\-_A-Za-z0-9]+){2,}`))),
		shape.May("Description", description),
		shape.May("KmsKeyIdentifier", kmsKey),
		shape.May("DeadLetterConfig", deadLetter),
		shape.May("LogConfig", logConfig),
		shape.May("Tags", tagList))
	updateEventBusInput = shape.Structure("UpdateEventBusRequest",
		shape.May("Name", busName),
		shape.May("KmsKeyIdentifier", kmsKey),
		shape.May("Description", description),
		shape.May("DeadLetterConfig", deadLetter),
		shape.May("LogConfig", logConfig))
	deleteEventBusInput   = shape.Structure("DeleteEventBusRequest", shape.Need("Name", busName))
	describeEventBusInput = shape.Structure("DescribeEventBusRequest", shape.May("Name", busNameOrARN))
	listEventBusesInput   = shape.Structure("ListEventBusesRequest",
		shape.May("NamePrefix", busName), shape.May("NextToken", nextToken), shape.May("Limit", pageLimit))
	putPermissionInput = shape.Structure("PutPermissionRequest",
		shape.May("EventBusName", ownBusName),
		shape.May("Action", shape.Text(1, 64, shape.Regular(`events:[a-zA-Z]+`))),
		shape.May("Principal", shape.Text(1, 12, shape.Regular(`(\d{12}|\*)`))),
		shape.May("StatementId", statementID),
		shape.May("Condition", shape.Structure("Condition", shape.Need("Type", anyText), shape.Need("Key", anyText), shape.Need("Value", anyText))),
		shape.May("Policy", anyText))
	removePermissionInput = shape.Structure("RemovePermissionRequest",
		shape.May("StatementId", statementID), shape.May("RemoveAllPermissions", boolean), shape.May("EventBusName", ownBusName))
)

// Requests about rules and tags.
//
//nolint:gochecknoglobals // a constant table
var (
	putRuleInput = shape.Structure("PutRuleRequest",
		shape.Need("Name", ruleName),
		shape.May("ScheduleExpression", shape.Text(shape.None, 256, nil)),
		shape.May("EventPattern", eventPattern),
		shape.May("State", ruleState),
		shape.May("Description", description),
		shape.May("RoleArn", arn),
		shape.May("Tags", tagList),
		shape.May("EventBusName", busNameOrARN))
	oneRuleInput    = shape.Structure("RuleRequest", shape.Need("Name", ruleName), shape.May("EventBusName", busNameOrARN))
	deleteRuleInput = shape.Structure("DeleteRuleRequest",
		shape.Need("Name", ruleName), shape.May("EventBusName", busNameOrARN), shape.May("Force", boolean))
	listRulesInput = shape.Structure("ListRulesRequest",
		shape.May("NamePrefix", ruleName), shape.May("EventBusName", busNameOrARN),
		shape.May("NextToken", nextToken), shape.May("Limit", pageLimit))
	listRuleNamesByTargetInput = shape.Structure("ListRuleNamesByTargetRequest",
		shape.Need("TargetArn", arn), shape.May("EventBusName", busNameOrARN),
		shape.May("NextToken", nextToken), shape.May("Limit", pageLimit))
	testEventPatternInput = shape.Structure("TestEventPatternRequest", shape.Need("EventPattern", eventPattern), shape.Need("Event", anyText))

	tagResourceInput         = shape.Structure("TagResourceRequest", shape.Need("ResourceARN", arn), shape.Need("Tags", tagList))
	untagResourceInput       = shape.Structure("UntagResourceRequest", shape.Need("ResourceARN", arn), shape.Need("TagKeys", shape.List(tagKey, shape.None, shape.None)))
	listTagsForResourceInput = shape.Structure("ListTagsForResourceRequest", shape.Need("ResourceARN", arn))
)

// Requests about targets.
//
//nolint:gochecknoglobals // a constant table
var (
	putTargetsInput = shape.Structure("PutTargetsRequest",
		shape.Need("Rule", ruleName), shape.May("EventBusName", busNameOrARN), shape.Need("Targets", shape.List(targetShape, 1, 100)))
	removeTargetsInput = shape.Structure("RemoveTargetsRequest",
		shape.Need("Rule", ruleName), shape.May("EventBusName", busNameOrARN),
		shape.Need("Ids", shape.List(targetID, 1, 100)), shape.May("Force", boolean))
	listTargetsByRuleInput = shape.Structure("ListTargetsByRuleRequest",
		shape.Need("Rule", ruleName), shape.May("EventBusName", busNameOrARN),
		shape.May("NextToken", nextToken), shape.May("Limit", pageLimit))
)

// targetShape is a target with every parameter structure that AWS has.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
//
//nolint:gochecknoglobals // a constant table
var targetShape = shape.Structure("Target",
	shape.Need("Id", targetID),
	shape.Need("Arn", arn),
	shape.May("RoleArn", arn),
	shape.May("Input", shape.Text(shape.None, 8192, nil)),
	shape.May("InputPath", targetPath),
	shape.May("InputTransformer", shape.Structure("InputTransformer",
		shape.May("InputPathsMap", shape.Map(shape.Text(1, 256, shape.Regular(`[A-Za-z0-9\_\-]+`)), targetPath, 100)),
		shape.Need("InputTemplate", shape.Text(1, 8192, nil)))),
	shape.May("KinesisParameters", shape.Structure("KinesisParameters", shape.Need("PartitionKeyPath", shape.Text(shape.None, 256, nil)))),
	shape.May("RunCommandParameters", shape.Structure("RunCommandParameters",
		shape.Need("RunCommandTargets", shape.List(shape.Structure("RunCommandTarget",
			shape.Need("Key", shape.Text(1, 128, shape.Regular(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`))),
			shape.Need("Values", shape.List(shape.Text(1, 256, nil), 1, 50))), 1, 5)))),
	shape.May("EcsParameters", ecsParameters),
	shape.May("BatchParameters", shape.Structure("BatchParameters",
		shape.Need("JobDefinition", anyText),
		shape.Need("JobName", anyText),
		shape.May("ArrayProperties", shape.Structure("BatchArrayProperties", shape.May("Size", anyInteger))),
		shape.May("RetryStrategy", shape.Structure("BatchRetryStrategy", shape.May("Attempts", anyInteger))))),
	shape.May("SqsParameters", shape.Structure("SqsParameters", shape.May("MessageGroupId", shape.Text(shape.None, 100, nil)))),
	shape.May("HttpParameters", shape.Structure("HttpParameters",
		shape.May("PathParameterValues", shape.List(shape.Text(shape.None, shape.None, notBlank), shape.None, shape.None)),
		shape.May("HeaderParameters", shape.Map(
			shape.Text(shape.None, 512, shape.Regular("^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$")),
			shape.Text(shape.None, 512, shape.Regular(`^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$`)), shape.None)),
		shape.May("QueryStringParameters", shape.Map(
			shape.Text(shape.None, 512, shape.Regular(`[^\x00-\x1F\x7F]+`)),
			shape.Text(shape.None, 512, shape.Regular(`[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F]+`)), shape.None)))),
	shape.May("RedshiftDataParameters", shape.Structure("RedshiftDataParameters",
		shape.May("SecretManagerArn", shape.Text(1, 1600, shape.Regular(`(^arn:aws([a-z]|\-)*:secretsmanager:[a-z0-9-.]+:.*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)`))),
		shape.Need("Database", shape.Text(1, 64, nil)),
		shape.May("DbUser", shape.Text(1, 128, nil)),
		shape.May("Sql", shape.Text(1, 100_000, nil)),
		shape.May("StatementName", shape.Text(1, 500, nil)),
		shape.May("WithEvent", boolean),
		shape.May("Sqls", shape.List(shape.Text(1, 100_000, nil), 0, 40)))),
	shape.May("SageMakerPipelineParameters", shape.Structure("SageMakerPipelineParameters",
		shape.May("PipelineParameterList", shape.List(shape.Structure("SageMakerPipelineParameter",
			shape.Need("Name", shape.Text(1, 256, shape.Regular(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`))),
			shape.Need("Value", shape.Text(shape.None, 1024, nil))), 0, 200)))),
	shape.May("DeadLetterConfig", deadLetter),
	shape.May("RetryPolicy", shape.Structure("RetryPolicy",
		shape.May("MaximumRetryAttempts", shape.Integer(0, 185)),
		shape.May("MaximumEventAgeInSeconds", shape.Integer(60, 86_400)))),
	shape.May("AppSyncParameters", shape.Structure("AppSyncParameters", shape.May("GraphQLOperation", shape.Text(1, 1<<20, nil)))),
)

//nolint:gochecknoglobals // a constant
var targetPath = shape.Text(shape.None, 256, nil)

//nolint:gochecknoglobals // a constant table
var ecsParameters = shape.Structure("EcsParameters",
	shape.Need("TaskDefinitionArn", arn),
	shape.May("TaskCount", shape.Integer(1, shape.None)),
	shape.May("LaunchType", shape.OneOf("EC2", "FARGATE", "EXTERNAL")),
	shape.May("NetworkConfiguration", shape.Structure("NetworkConfiguration",
		shape.May("awsvpcConfiguration", shape.Structure("AwsVpcConfiguration",
			shape.Need("Subnets", shape.List(anyText, shape.None, shape.None)),
			shape.May("SecurityGroups", shape.List(anyText, shape.None, shape.None)),
			shape.May("AssignPublicIp", shape.OneOf("ENABLED", "DISABLED")))))),
	shape.May("PlatformVersion", anyText),
	shape.May("Group", anyText),
	shape.May("CapacityProviderStrategy", shape.List(shape.Structure("CapacityProviderStrategyItem",
		shape.Need("capacityProvider", shape.Text(1, 255, nil)),
		shape.May("weight", shape.Integer(0, 1000)),
		shape.May("base", shape.Integer(0, 100_000))), shape.None, 6)),
	shape.May("EnableECSManagedTags", boolean),
	shape.May("EnableExecuteCommand", boolean),
	shape.May("PlacementConstraints", shape.List(shape.Structure("PlacementConstraint",
		shape.May("type", shape.OneOf("distinctInstance", "memberOf")),
		shape.May("expression", shape.Text(shape.None, 2000, nil))), shape.None, 10)),
	shape.May("PlacementStrategy", shape.List(shape.Structure("PlacementStrategy",
		shape.May("type", shape.OneOf("random", "spread", "binpack")),
		shape.May("field", shape.Text(shape.None, 255, nil))), shape.None, 5)),
	shape.May("PropagateTags", shape.OneOf("TASK_DEFINITION")),
	shape.May("ReferenceId", shape.Text(shape.None, 1024, nil)),
	shape.May("Tags", tagList),
)

// PutEvents, for its error messages; put_events.go decodes requests without them.
//
//nolint:gochecknoglobals // a constant table
var (
	putEventsInput = shape.Structure("PutEventsRequest",
		shape.Need("Entries", shape.List(putEventsEntry, 1, 10)), shape.May("EndpointId", endpointID))
	putEventsEntry = shape.PrintedAs(shape.Structure("PutEventsRequestEntry",
		shape.May("Time", timestamp),
		shape.May("Source", anyText),
		shape.May("Resources", shape.List(shape.Text(shape.None, 2048, nil), shape.None, shape.None)),
		shape.May("DetailType", anyText),
		shape.May("Detail", anyText),
		shape.May("EventBusName", publishBus),
		shape.May("TraceHeader", shape.Text(1, 500, nil))), "kmsKeyIdentifier", "internalMetadata")
	endpointID = shape.Text(1, 50, shape.Regular(`^[A-Za-z0-9\-]+[\.][A-Za-z0-9\-]+$`))
)
