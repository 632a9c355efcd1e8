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
			shape.Text(shape.None, 512, headerKey),
			shape.Text(shape.None, 512, headerValue), shape.None)),
		shape.May("QueryStringParameters", shape.Map(
			shape.Text(shape.None, 512, queryKey),
			shape.Text(shape.None, 512, queryValue), shape.None)))),
	shape.May("RedshiftDataParameters", shape.Structure("RedshiftDataParameters",
		shape.May("SecretManagerArn", shape.Text(1, 1600, shape.Regular(`(^arn:aws([a-z]|\-)*:secretsmanager:[a-z0-9-.]+:.*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)`))),
		shape.Need("Database", shape.Text(1, 64, nil)),
		shape.May("DbUser", shape.Text(1, 128, nil)),
		shape.May("Sql", shape.Secret(shape.Text(1, 100_000, nil))),
		shape.May("StatementName", shape.Text(1, 500, nil)),
		shape.May("WithEvent", boolean),
		shape.May("Sqls", shape.List(shape.Secret(shape.Text(1, 100_000, nil)), 0, 40)))),
	shape.May("SageMakerPipelineParameters", shape.Structure("SageMakerPipelineParameters",
		shape.May("PipelineParameterList", shape.List(shape.Structure("SageMakerPipelineParameter",
			shape.Need("Name", shape.Text(1, 256, shape.Regular(`^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`))),
			shape.Need("Value", shape.Text(shape.None, 1024, nil))), 0, 200)))),
	shape.May("DeadLetterConfig", deadLetter),
	shape.May("RetryPolicy", shape.Structure("RetryPolicy",
		shape.May("MaximumRetryAttempts", shape.Integer(0, 185)),
		shape.May("MaximumEventAgeInSeconds", shape.Integer(60, 86_400)))),
	shape.May("AppSyncParameters", shape.Structure("AppSyncParameters", shape.May("GraphQLOperation", shape.Secret(shape.Text(1, 1<<20, nil))))),
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

// Texts of archives, replays, connections and API destinations.
//
//nolint:gochecknoglobals // a constant table
var (
	oneLine       = shape.Text(shape.None, 512, shape.Regular(`.*`))
	archiveName   = shape.Text(1, 48, named)
	shortName     = shape.Text(1, 64, named) // of a replay, a connection or an API destination
	sourceARN     = shape.Text(1, 1600, shape.Regular(`^arn:aws([a-z]|\-)*:events:([a-z]|\d|\-)*:([0-9]{12})?:.+\/.+$`))
	connectionARN = shape.Text(1, 1600, shape.Regular(`^arn:aws([a-z]|\-)*:events:([a-z]|\d|\-)*:([0-9]{12})?:connection\/[\.\-_A-Za-z0-9]+\/[\-A-Za-z0-9]+$`))
	retentionDays = shape.Integer(0, shape.None)
	// The order of both is the one in which AWS's messages list them, not the model's.
	authorizationType = shape.OneOf("BASIC", "OAUTH_CLIENT_CREDENTIALS", "API_KEY")
	destinationMethod = shape.OneOf("HEAD", "POST", "PATCH", "DELETE", "PUT", "GET", "OPTIONS")
	httpsEndpoint     = shape.Text(1, 2048, shape.Regular(`^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$`))
	headerKey         = shape.Regular("^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$")
	headerValue       = shape.Regular(`^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$`)
	queryKey          = shape.Regular(`[^\x00-\x1F\x7F]+`)
	queryValue        = shape.Regular(`[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F]+`)
	credential        = shape.Regular(`^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$`)
	publicCredential  = shape.Text(1, 512, credential)
	secretCredential  = shape.Secret(shape.Text(1, 512, credential))
)

// Requests about archives and replays.
//
//nolint:gochecknoglobals // a constant table
var (
	createArchiveInput = shape.Structure("CreateArchiveRequest",
		shape.Need("ArchiveName", archiveName),
		shape.Need("EventSourceArn", sourceARN),
		shape.May("Description", oneLine),
		shape.May("EventPattern", eventPattern),
		shape.May("RetentionDays", retentionDays),
		shape.May("KmsKeyIdentifier", kmsKey))
	updateArchiveInput = shape.Structure("UpdateArchiveRequest",
		shape.Need("ArchiveName", archiveName),
		shape.May("Description", oneLine),
		shape.May("EventPattern", eventPattern),
		shape.May("RetentionDays", retentionDays),
		shape.May("KmsKeyIdentifier", kmsKey))
	oneArchiveInput   = shape.Structure("ArchiveRequest", shape.Need("ArchiveName", archiveName))
	listArchivesInput = shape.Structure("ListArchivesRequest",
		shape.May("NamePrefix", archiveName),
		shape.May("EventSourceArn", sourceARN),
		shape.May("State", shape.OneOf("ENABLED", "DISABLED", "CREATING", "UPDATING", "CREATE_FAILED", "UPDATE_FAILED")),
		shape.May("NextToken", nextToken),
		shape.May("Limit", pageLimit))

	startReplayInput = shape.Structure("StartReplayRequest",
		shape.Need("ReplayName", shortName),
		shape.May("Description", oneLine),
		shape.Need("EventSourceArn", sourceARN),
		shape.Need("EventStartTime", timestamp),
		shape.Need("EventEndTime", timestamp),
		shape.Need("Destination", shape.Structure("ReplayDestination",
			shape.Need("Arn", arn),
			shape.May("FilterArns", shape.List(arn, shape.None, shape.None)))))
	oneReplayInput   = shape.Structure("ReplayRequest", shape.Need("ReplayName", shortName))
	listReplaysInput = shape.Structure("ListReplaysRequest",
		shape.May("NamePrefix", shortName),
		shape.May("State", shape.OneOf("STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED")),
		shape.May("EventSourceArn", sourceARN),
		shape.May("NextToken", nextToken),
		shape.May("Limit", pageLimit))
)

// Requests about connections.
//
//nolint:gochecknoglobals // a constant table
var (
	createConnectionInput = shape.Structure("CreateConnectionRequest",
		shape.Need("Name", shortName),
		shape.May("Description", oneLine),
		shape.Need("AuthorizationType", authorizationType),
		shape.Need("AuthParameters", shape.Structure("CreateConnectionAuthRequestParameters", authParameters("Create", shape.Need)...)),
		shape.May("InvocationConnectivityParameters", connectivity),
		shape.May("KmsKeyIdentifier", kmsKey))
	updateConnectionInput = shape.Structure("UpdateConnectionRequest",
		shape.Need("Name", shortName),
		shape.May("Description", oneLine),
		shape.May("AuthorizationType", authorizationType),
		shape.May("AuthParameters", shape.Structure("UpdateConnectionAuthRequestParameters", authParameters("Update", shape.May)...)),
		shape.May("InvocationConnectivityParameters", connectivity),
		shape.May("KmsKeyIdentifier", kmsKey))
	oneConnectionInput   = shape.Structure("ConnectionRequest", shape.Need("Name", shortName))
	listConnectionsInput = shape.Structure("ListConnectionsRequest",
		shape.May("NamePrefix", shortName),
		shape.May("ConnectionState", shape.OneOf("CREATING", "UPDATING", "DELETING", "AUTHORIZED", "DEAUTHORIZED",
			"AUTHORIZING", "DEAUTHORIZING", "ACTIVE", "FAILED_CONNECTIVITY")),
		shape.May("NextToken", nextToken),
		shape.May("Limit", pageLimit))

	connectivity = shape.Structure("ConnectivityResourceParameters",
		shape.Need("ResourceParameters", shape.Structure("ConnectivityResourceConfigurationArn",
			shape.Need("ResourceConfigurationArn", shape.Text(0, 2048,
				shape.Regular(`^(?:^arn:[a-z0-9\-]+:vpc-lattice:[a-zA-Z0-9\-]+:\d{12}:resourceconfiguration/rcfg-[0-9a-z]{17}$|^$)`))))))
	connectionParameters = shape.Structure("ConnectionHttpParameters",
		shape.May("HeaderParameters", connectionParameter("Header",
			shape.Text(shape.None, 512, headerKey), shape.Text(shape.None, 512, headerValue))),
		shape.May("QueryStringParameters", connectionParameter("QueryString",
			shape.Text(shape.None, 512, queryKey), shape.Text(shape.None, 512, queryValue))),
		shape.May("BodyParameters", connectionParameter("Body", anyText, shape.Text(shape.None, shape.None, nil))))
)

// connectionParameter is the list of a connection's parameters of one kind.
func connectionParameter(kind string, key, value *shape.Shape) *shape.Shape {
	return shape.List(shape.Structure("Connection"+kind+"Parameter",
		shape.May("Key", key), shape.May("Value", shape.Secret(value)), shape.May("IsValueSecret", shape.Boolean())), 0, 100)
}

// authParameters are the members of AuthParameters in the request that verb
// names; required makes a member that CreateConnection needs and UpdateConnection does not.
func authParameters(verb string, required func(string, *shape.Shape) shape.Member) []shape.Member {
	of := func(name string, members ...shape.Member) *shape.Shape {
		return shape.Structure(verb+"Connection"+name+"RequestParameters", members...)
	}
	return []shape.Member{
		shape.May("BasicAuthParameters", of("BasicAuth",
			required("Username", publicCredential), required("Password", secretCredential))),
		shape.May("OAuthParameters", of("OAuth",
			required("ClientParameters", of("OAuthClient",
				required("ClientID", publicCredential), required("ClientSecret", secretCredential))),
			required("AuthorizationEndpoint", httpsEndpoint),
			required("HttpMethod", shape.OneOf("GET", "POST", "PUT")),
			shape.May("OAuthHttpParameters", connectionParameters))),
		shape.May("ApiKeyAuthParameters", of("ApiKeyAuth",
			required("ApiKeyName", publicCredential), required("ApiKeyValue", secretCredential))),
		shape.May("InvocationHttpParameters", connectionParameters),
		shape.May("ConnectivityParameters", connectivity),
	}
}

// Requests about API destinations.
//
//nolint:gochecknoglobals // a constant table
var (
	createAPIDestinationInput = shape.Structure("CreateApiDestinationRequest", apiDestination(shape.Need)...)
	updateAPIDestinationInput = shape.Structure("UpdateApiDestinationRequest", apiDestination(shape.May)...)
	oneAPIDestinationInput    = shape.Structure("ApiDestinationRequest", shape.Need("Name", shortName))
	listAPIDestinationsInput  = shape.Structure("ListApiDestinationsRequest",
		shape.May("NamePrefix", shortName),
		shape.May("ConnectionArn", connectionARN),
		shape.May("NextToken", nextToken),
		shape.May("Limit", pageLimit))
)

// apiDestination are the members of the requests that create and update an API
// destination; required makes a member that only the first needs.
func apiDestination(required func(string, *shape.Shape) shape.Member) []shape.Member {
	return []shape.Member{
		shape.Need("Name", shortName),
		shape.May("Description", oneLine),
		required("ConnectionArn", connectionARN),
		required("InvocationEndpoint", httpsEndpoint),
		required("HttpMethod", destinationMethod),
		shape.May("InvocationRateLimitPerSecond", shape.Integer(1, shape.None)),
	}
}
