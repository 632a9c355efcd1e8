package eventbridge

import "regexp"

// The shapes below transcribe the constraints of AWS's service model, version
// 2015-10-07: https://docs.aws.amazon.com/eventbridge/latest/APIReference/.

// pattern is a regular expression of the model. Text is AWS's spelling, which
// validation messages repeat; match tells whether all of a text matches.
type pattern struct {
	text  string
	match func(string) bool
}

func regular(expression string) *pattern {
	re := regexp.MustCompile(`\A(?:` + expression + `)\z`)
	return &pattern{text: expression, match: re.MatchString}
}

// named is the pattern of names: one or more of . - _ A–Z a–z 0–9.
//
//nolint:gochecknoglobals // a constant
var named = &pattern{text: `[\.\-_A-Za-z0-9]+`, match: isName}

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
var notBlank = &pattern{text: `^(?!\s*$).+`, match: regexp.MustCompile(`\A.*\S.*\z`).MatchString}

// Texts that several operations share.
//
//nolint:gochecknoglobals // a constant table
var (
	anyText      = text(none, none, nil)
	boolean      = &shape{kind: kindBoolean, min: none, max: none}
	timestamp    = &shape{kind: kindTime, min: none, max: none}
	anyInteger   = integer(none, none)
	arn          = text(1, 1600, nil)
	busName      = text(1, 256, regular(`[/\.\-_A-Za-z0-9]+`))
	busNameOrARN = text(1, 1600, regular(`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/\.\-_A-Za-z0-9]+`))
	ownBusName   = text(1, 256, named)
	publishBus   = text(1, 1600, regular(`(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[\.\-_A-Za-z0-9]+`))
	ruleName     = text(1, 64, named)
	targetID     = text(1, 64, named)
	eventPattern = text(none, 4096, nil)
	description  = text(none, 512, nil)
	kmsKey       = text(none, 2048, regular(`^[a-zA-Z0-9_\-/:]*$`))
	ruleState    = oneOf("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
	nextToken    = text(1, 2048, nil)
	pageLimit    = integer(1, 100)
	tagKey       = text(1, 128, nil)
	tag          = structure("Tag", need("Key", tagKey), need("Value", text(0, 256, nil)))
	tagList      = list(tag, none, none)
	deadLetter   = structure("DeadLetterConfig", may("Arn", arn))
	logConfig    = structure("LogConfig", may("IncludeDetail", oneOf("NONE", "FULL")), may("Level", oneOf("OFF", "ERROR", "INFO", "TRACE")))
	statementID  = text(1, 64, regular(`[a-zA-Z0-9-_]+`))
)

// Requests about buses.
//
//nolint:gochecknoglobals // a constant table
var (
	createEventBusInput = structure("CreateEventBusRequest",
		need("Name", busName),
		may("EventSourceName", text(1, 256, regular(`aws\.partner(/[\.\-_A-Za-z0-9]+){2,}`))),
		may("Description", description),
		may("KmsKeyIdentifier", kmsKey),
		may("DeadLetterConfig", deadLetter),
		may("LogConfig", logConfig),
		may("Tags", tagList))
	updateEventBusInput = structure("UpdateEventBusRequest",
		may("Name", busName),
		may("KmsKeyIdentifier", kmsKey),
		may("Description", description),
		may("DeadLetterConfig", deadLetter),
		may("LogConfig", logConfig))
	deleteEventBusInput   = structure("DeleteEventBusRequest", need("Name", busName))
	describeEventBusInput = structure("DescribeEventBusRequest", may("Name", busNameOrARN))
	listEventBusesInput   = structure("ListEventBusesRequest",
		may("NamePrefix", busName), may("NextToken", nextToken), may("Limit", pageLimit))
	putPermissionInput = structure("PutPermissionRequest",
		may("EventBusName", ownBusName),
		may("Action", text(1, 64, regular(`events:[a-zA-Z]+`))),
		may("Principal", text(1, 12, regular(`(\d{12}|\*)`))),
		may("StatementId", statementID),
		may("Condition", structure("Condition", need("Type", anyText), need("Key", anyText), need("Value", anyText))),
		may("Policy", anyText))
	removePermissionInput = structure("RemovePermissionRequest",
		may("StatementId", statementID), may("RemoveAllPermissions", boolean), may("EventBusName", ownBusName))
)

// Requests about rules and tags.
//
//nolint:gochecknoglobals // a constant table
var (
	putRuleInput = structure("PutRuleRequest",
		need("Name", ruleName),
		may("ScheduleExpression", text(none, 256, nil)),
		may("EventPattern", eventPattern),
		may("State", ruleState),
		may("Description", description),
		may("RoleArn", arn),
		may("Tags", tagList),
		may("EventBusName", busNameOrARN))
	oneRuleInput    = structure("RuleRequest", need("Name", ruleName), may("EventBusName", busNameOrARN))
	deleteRuleInput = structure("DeleteRuleRequest",
		need("Name", ruleName), may("EventBusName", busNameOrARN), may("Force", boolean))
	listRulesInput = structure("ListRulesRequest",
		may("NamePrefix", ruleName), may("EventBusName", busNameOrARN),
		may("NextToken", nextToken), may("Limit", pageLimit))
	listRuleNamesByTargetInput = structure("ListRuleNamesByTargetRequest",
		need("TargetArn", arn), may("EventBusName", busNameOrARN),
		may("NextToken", nextToken), may("Limit", pageLimit))
	testEventPatternInput = structure("TestEventPatternRequest", need("EventPattern", eventPattern), need("Event", anyText))

	tagResourceInput         = structure("TagResourceRequest", need("ResourceARN", arn), need("Tags", tagList))
	untagResourceInput       = structure("UntagResourceRequest", need("ResourceARN", arn), need("TagKeys", list(tagKey, none, none)))
	listTagsForResourceInput = structure("ListTagsForResourceRequest", need("ResourceARN", arn))
)

// Requests about targets.
//
//nolint:gochecknoglobals // a constant table
var (
	putTargetsInput = structure("PutTargetsRequest",
		need("Rule", ruleName), may("EventBusName", busNameOrARN), need("Targets", list(targetShape, 1, 100)))
	removeTargetsInput = structure("RemoveTargetsRequest",
		need("Rule", ruleName), may("EventBusName", busNameOrARN),
		need("Ids", list(targetID, 1, 100)), may("Force", boolean))
	listTargetsByRuleInput = structure("ListTargetsByRuleRequest",
		need("Rule", ruleName), may("EventBusName", busNameOrARN),
		may("NextToken", nextToken), may("Limit", pageLimit))
)

// targetShape is a target with every parameter structure that AWS has.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
//
//nolint:gochecknoglobals // a constant table
var targetShape = structure("Target",
	need("Id", targetID),
	need("Arn", arn),
	may("RoleArn", arn),
	may("Input", text(none, 8192, nil)),
	may("InputPath", targetPath),
	may("InputTransformer", structure("InputTransformer",
		may("InputPathsMap", mapping(text(1, 256, regular(`[A-Za-z0-9\_\-]+`)), targetPath, 100)),
		need("InputTemplate", text(1, 8192, nil)))),
	may("KinesisParameters", structure("KinesisParameters", need("PartitionKeyPath", text(none, 256, nil)))),
	may("RunCommandParameters", structure("RunCommandParameters",
		need("RunCommandTargets", list(structure("RunCommandTarget",
			need("Key", text(1, 128, regular(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`))),
			need("Values", list(text(1, 256, nil), 1, 50))), 1, 5)))),
	may("EcsParameters", ecsParameters),
	may("BatchParameters", structure("BatchParameters",
		need("JobDefinition", anyText),
		need("JobName", anyText),
		may("ArrayProperties", structure("BatchArrayProperties", may("Size", anyInteger))),
		may("RetryStrategy", structure("BatchRetryStrategy", may("Attempts", anyInteger))))),
	may("SqsParameters", structure("SqsParameters", may("MessageGroupId", text(none, 100, nil)))),
	may("HttpParameters", structure("HttpParameters",
		may("PathParameterValues", list(text(none, none, notBlank), none, none)),
		may("HeaderParameters", mapping(
			text(none, 512, regular("^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$")),
			text(none, 512, regular(`^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$`)), none)),
		may("QueryStringParameters", mapping(
			text(none, 512, regular(`[^\x00-\x1F\x7F]+`)),
			text(none, 512, regular(`[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F]+`)), none)))),
	may("RedshiftDataParameters", structure("RedshiftDataParameters",
		may("SecretManagerArn", text(1, 1600, regular(`(^arn:aws([a-z]|\-)*:secretsmanager:[a-z0-9-.]+:.*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)`))),
		need("Database", text(1, 64, nil)),
		may("DbUser", text(1, 128, nil)),
		may("Sql", text(1, 100_000, nil)),
		may("StatementName", text(1, 500, nil)),
		may("WithEvent", boolean),
		may("Sqls", list(text(1, 100_000, nil), 0, 40)))),
	may("SageMakerPipelineParameters", structure("SageMakerPipelineParameters",
		may("PipelineParameterList", list(structure("SageMakerPipelineParameter",
			need("Name", text(1, 256, regular(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`))),
			need("Value", text(none, 1024, nil))), 0, 200)))),
	may("DeadLetterConfig", deadLetter),
	may("RetryPolicy", structure("RetryPolicy",
		may("MaximumRetryAttempts", integer(0, 185)),
		may("MaximumEventAgeInSeconds", integer(60, 86_400)))),
	may("AppSyncParameters", structure("AppSyncParameters", may("GraphQLOperation", text(1, 1<<20, nil)))),
)

//nolint:gochecknoglobals // a constant
var targetPath = text(none, 256, nil)

//nolint:gochecknoglobals // a constant table
var ecsParameters = structure("EcsParameters",
	need("TaskDefinitionArn", arn),
	may("TaskCount", integer(1, none)),
	may("LaunchType", oneOf("EC2", "FARGATE", "EXTERNAL")),
	may("NetworkConfiguration", structure("NetworkConfiguration",
		may("awsvpcConfiguration", structure("AwsVpcConfiguration",
			need("Subnets", list(anyText, none, none)),
			may("SecurityGroups", list(anyText, none, none)),
			may("AssignPublicIp", oneOf("ENABLED", "DISABLED")))))),
	may("PlatformVersion", anyText),
	may("Group", anyText),
	may("CapacityProviderStrategy", list(structure("CapacityProviderStrategyItem",
		need("capacityProvider", text(1, 255, nil)),
		may("weight", integer(0, 1000)),
		may("base", integer(0, 100_000))), none, 6)),
	may("EnableECSManagedTags", boolean),
	may("EnableExecuteCommand", boolean),
	may("PlacementConstraints", list(structure("PlacementConstraint",
		may("type", oneOf("distinctInstance", "memberOf")),
		may("expression", text(none, 2000, nil))), none, 10)),
	may("PlacementStrategy", list(structure("PlacementStrategy",
		may("type", oneOf("random", "spread", "binpack")),
		may("field", text(none, 255, nil))), none, 5)),
	may("PropagateTags", oneOf("TASK_DEFINITION")),
	may("ReferenceId", text(none, 1024, nil)),
	may("Tags", tagList),
)

// PutEvents, for its error messages; put_events.go decodes requests without them.
//
//nolint:gochecknoglobals // a constant table
var (
	putEventsInput = structure("PutEventsRequest",
		need("Entries", list(putEventsEntry, 1, 10)), may("EndpointId", endpointID))
	putEventsEntry = printedAs(structure("PutEventsRequestEntry",
		may("Time", timestamp),
		may("Source", anyText),
		may("Resources", list(text(none, 2048, nil), none, none)),
		may("DetailType", anyText),
		may("Detail", anyText),
		may("EventBusName", publishBus),
		may("TraceHeader", text(1, 500, nil))), "kmsKeyIdentifier", "internalMetadata")
	endpointID = text(1, 50, regular(`^[A-Za-z0-9\-]+[\.][A-Za-z0-9\-]+$`))
)

// printedAs adds members that AWS's messages print and requests do not have.
func printedAs(s *shape, hidden ...string) *shape {
	s.hidden = hidden
	return s
}
