"""Makes botocore speak the query protocol to SQS, as it did before November 2023.

The model that botocore ships knows the JSON protocol only. This writes a copy
whose metadata and names are those of the query protocol.
"""

import gzip
import json
import os

import botocore

# What members were called in forms and in XML: the shape, its member, the name.
NAMES = {
    "ChangeMessageVisibilityBatchRequest": {"Entries": "ChangeMessageVisibilityBatchRequestEntry"},
    "ChangeMessageVisibilityBatchResult": {"Successful": "ChangeMessageVisibilityBatchResultEntry", "Failed": "BatchResultErrorEntry"},
    "CreateQueueRequest": {"Attributes": "Attribute", "tags": "Tag"},
    "DeleteMessageBatchRequest": {"Entries": "DeleteMessageBatchRequestEntry"},
    "DeleteMessageBatchResult": {"Successful": "DeleteMessageBatchResultEntry", "Failed": "BatchResultErrorEntry"},
    "GetQueueAttributesRequest": {"AttributeNames": "AttributeName"},
    "GetQueueAttributesResult": {"Attributes": "Attribute"},
    "ListDeadLetterSourceQueuesResult": {"queueUrls": "QueueUrl"},
    "ListMessageMoveTasksResult": {"Results": "ListMessageMoveTasksResultEntry"},
    "ListQueueTagsResult": {"Tags": "Tag"},
    "ListQueuesResult": {"QueueUrls": "QueueUrl"},
    "Message": {"Attributes": "Attribute", "MessageAttributes": "MessageAttribute"},
    "ReceiveMessageRequest": {
        "AttributeNames": "AttributeName", "MessageSystemAttributeNames": "MessageSystemAttributeName", "MessageAttributeNames": "MessageAttributeName",
    },
    "ReceiveMessageResult": {"Messages": "Message"},
    "SendMessageBatchRequest": {"Entries": "SendMessageBatchRequestEntry"},
    "SendMessageBatchRequestEntry": {"MessageAttributes": "MessageAttribute", "MessageSystemAttributes": "MessageSystemAttribute"},
    "SendMessageBatchResult": {"Successful": "SendMessageBatchResultEntry", "Failed": "BatchResultErrorEntry"},
    "SendMessageRequest": {"MessageAttributes": "MessageAttribute", "MessageSystemAttributes": "MessageSystemAttribute"},
    "SetQueueAttributesRequest": {"Attributes": "Attribute"},
    "TagQueueRequest": {"Tags": "Tag"},
    "UntagQueueRequest": {"TagKeys": "TagKey"},
}


def write(directory):
    """Writes the model below directory, for AWS_DATA_PATH."""
    source = os.path.join(os.path.dirname(botocore.__file__), "data", "sqs", "2012-11-05", "service-2.json.gz")
    with gzip.open(source) as f:
        model = json.load(f)
    metadata = model["metadata"]
    for name in ("awsQueryCompatible", "jsonVersion", "targetPrefix"):
        metadata.pop(name, None)
    metadata |= {"protocol": "query", "protocols": ["query"], "xmlNamespace": "http://queue.amazonaws.com/doc/2012-11-05/"}
    for operation in model["operations"].values():
        if "output" in operation:
            operation["output"]["resultWrapper"] = operation["output"]["shape"]
    shapes = model["shapes"]
    for shape, members in NAMES.items():
        for member, name in members.items():
            shapes[shape]["members"][member]["locationName"] = name
    for shape in shapes.values():
        if shape["type"] == "map":
            shape["key"]["locationName"] = "Key" if shape["key"]["shape"] == "TagKey" else "Name"
            shape["value"]["locationName"] = "Value"
    target = os.path.join(directory, "sqs", "2012-11-05")
    os.makedirs(target)
    with open(os.path.join(target, "service-2.json"), "w") as f:
        json.dump(model, f)
