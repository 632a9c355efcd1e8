"""Drives a running server with boto3, as an application would, and checks the answers.

usage: AWS_ENDPOINT_URL=... python3 boto3_check.py json|query

The argument is the protocol that SQS is spoken to in.
"""

import json
import os
import sys
import tempfile
import time

import boto3
import botocore.exceptions

import query_model

# Every run has an account of its own: a 12-digit access key names it.
ACCOUNT = "111122223333"
if sys.argv[1] == "query":
    ACCOUNT = "222233334444"
    models = tempfile.TemporaryDirectory()
    query_model.write(models.name)
    os.environ["AWS_DATA_PATH"] = models.name
session = boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="secret", region_name="eu-central-1")
sqs = session.client("sqs")
assert sqs.meta.service_model.metadata["protocol"] == sys.argv[1]
events = session.client("events")


def expect_error(code, call, **arguments):
    """Checks that a call fails with an error code."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return e.response
    raise AssertionError(f"{call} did not fail with {code}")


def attributes(url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])["Attributes"]


def receive(url, n=10, wait=2, **more):
    return sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=n, WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], **more,
    ).get("Messages", [])


def delete(url, messages):
    for m in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])


def identity():
    who = session.client("sts").get_caller_identity()
    assert who["Account"] == ACCOUNT, who


def queues_and_attributes():
    url = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "45"}, tags={"team": "shop"})["QueueUrl"]
    assert url.endswith(f"/{ACCOUNT}/orders"), url
    assert sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "45"})["QueueUrl"] == url, "creation is idempotent"
    expect_error("QueueAlreadyExists", sqs.create_queue, QueueName="orders", Attributes={"VisibilityTimeout": "46"})
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == url
    e = expect_error("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nothing")
    assert e["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert sqs.exceptions.QueueDoesNotExist

    got = attributes(url)
    assert got["QueueArn"] == f"arn:aws:sqs:eu-central-1:{ACCOUNT}:orders", got
    assert got["VisibilityTimeout"] == "45" and got["DelaySeconds"] == "0" and got["MessageRetentionPeriod"] == "345600", got
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "1"})
    assert attributes(url, "ReceiveMessageWaitTimeSeconds") == {"ReceiveMessageWaitTimeSeconds": "1"}

    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "shop"}
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "test"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "test"}
    assert url in sqs.list_queues(QueueNamePrefix="ord")["QueueUrls"]


def messages():
    url = sqs.create_queue(QueueName="messages")["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="grüße <&>", MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "greeting"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    })
    [m] = receive(url)  # boto3 checks both MD5 sums
    assert m["Body"] == "grüße <&>" and m["MessageId"] == sent["MessageId"], m
    assert m["MessageAttributes"]["blob"]["BinaryValue"] == b"\x00\xff", m
    assert m["Attributes"]["ApproximateReceiveCount"] == "1", m
    assert attributes(url)["ApproximateNumberOfMessagesNotVisible"] == "1"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"], VisibilityTimeout=0)
    [again] = receive(url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2", again
    delete(url, [again])
    assert receive(url, wait=0) == []

    batch = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": f"m{i}"} for i in range(10)])
    assert len(batch["Successful"]) == 10 and "Failed" not in batch, batch
    got = receive(url)
    assert len(got) == 10 and {m["Body"] for m in got} == {f"m{i}" for i in range(10)}
    done = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])
    assert len(done["Successful"]) == 10, done
    expect_error("AWS.SimpleQueueService.EmptyBatchRequest", sqs.send_message_batch, QueueUrl=url, Entries=[])
    expect_error("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")

    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1)
    assert attributes(url)["ApproximateNumberOfMessagesDelayed"] == "1"
    began = time.monotonic()
    assert [m["Body"] for m in receive(url, wait=10)] == ["later"], "a long poll ends when the delay does"
    assert time.monotonic() - began < 9

    sqs.send_message(QueueUrl=url, MessageBody="purged")
    sqs.purge_queue(QueueUrl=url)
    assert receive(url, wait=0) == []
    expect_error("AWS.SimpleQueueService.PurgeQueueInProgress", sqs.purge_queue, QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)
    expect_error("AWS.SimpleQueueService.NonExistentQueue", sqs.receive_message, QueueUrl=url)
    assert sqs.create_queue(QueueName="messages")["QueueUrl"] == url, "a name is free at once"


def fifo():
    url = sqs.create_queue(QueueName="steps.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for i in range(6):
        sqs.send_message(QueueUrl=url, MessageBody=str(i), MessageGroupId="ab"[i % 2], MessageDeduplicationId=f"id-{i}")
    first = sqs.send_message(QueueUrl=url, MessageBody="again", MessageGroupId="a", MessageDeduplicationId="id-0")
    order = {"a": [], "b": []}
    numbers = []
    while got := receive(url, n=10, wait=0):
        for m in got:
            order[m["Attributes"]["MessageGroupId"]].append(m["Body"])
            numbers.append(m["Attributes"]["SequenceNumber"])
        delete(url, got)
    assert order == {"a": ["0", "2", "4"], "b": ["1", "3", "5"]}, order
    assert first["SequenceNumber"] and len(set(numbers)) == 6
    expect_error("MissingParameter", sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="y")


def dead_letters():
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = attributes(dead, "QueueArn")["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = sqs.create_queue(QueueName="poison", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert json.loads(attributes(url, "RedrivePolicy")["RedrivePolicy"]) == json.loads(policy)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="bad")
    for _ in range(2):
        [m] = receive(url, wait=0, VisibilityTimeout=0)
    assert receive(url, wait=0) == []
    [m] = receive(dead, wait=0, VisibilityTimeout=0)
    assert m["Body"] == "bad" and m["Attributes"]["DeadLetterQueueSourceArn"].endswith(":poison"), m

    task = sqs.start_message_move_task(SourceArn=arn)["TaskHandle"]
    assert task
    [m] = receive(url, wait=10)
    assert m["Body"] == "bad", "a move task brings it back to where it came from"
    [done] = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    assert done["SourceArn"] == arn and done["Status"] in ("RUNNING", "COMPLETED"), done


def routing():
    arn = events.create_event_bus(Name="shop", Tags=[{"Key": "team", "Value": "shop"}])["EventBusArn"]
    assert arn == f"arn:aws:events:eu-central-1:{ACCOUNT}:event-bus/shop", arn
    expect_error("ResourceAlreadyExistsException", events.create_event_bus, Name="shop")
    assert {b["Name"] for b in events.list_event_buses()["EventBuses"]} == {"default", "shop"}
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "shop"}]

    big = sqs.create_queue(QueueName="big-orders")["QueueUrl"]
    all_orders = sqs.create_queue(QueueName="all.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    pattern = json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">=", 100]}], "country": [{"anything-but": "XX"}]}})
    rule = events.put_rule(Name="big", EventBusName="shop", EventPattern=pattern)["RuleArn"]
    assert rule.endswith(":rule/shop/big"), rule
    assert events.describe_rule(Name="big", EventBusName="shop")["EventPattern"] == pattern
    events.put_rule(Name="all", EventBusName="shop", EventPattern='{"source": [{"prefix": "sh"}]}')
    for name, target in {
        "big": {"Id": "q", "Arn": attributes(big, "QueueArn")["QueueArn"], "InputPath": "$.detail"},
        "all": {"Id": "q", "Arn": attributes(all_orders, "QueueArn")["QueueArn"], "SqsParameters": {"MessageGroupId": "one"}},
    }.items():
        assert events.put_targets(Rule=name, EventBusName="shop", Targets=[target])["FailedEntryCount"] == 0
        assert events.list_targets_by_rule(Rule=name, EventBusName="shop")["Targets"] == [target]
    expect_error("InvalidEventPatternException", events.put_rule, Name="bad", EventBusName="shop", EventPattern='{"source": "shop"}')
    assert events.test_event_pattern(EventPattern='{"detail": {"a": [1]}}', Event=json.dumps({
        "id": "1", "account": ACCOUNT, "source": "s", "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "resources": [],
        "detail-type": "t", "detail": {"a": 1}}))["Result"]

    entries = [{"EventBusName": "shop", "Source": "shop", "DetailType": "OrderPlaced", "Resources": ["r"],
                "Detail": json.dumps({"id": i, "total": 40 * i, "country": "DE"})} for i in range(5)]
    entries.append({"EventBusName": "shop", "Source": "shop", "DetailType": "OrderPlaced", "Detail": "no json"})
    out = events.put_events(Entries=entries)
    assert out["FailedEntryCount"] == 1 and out["Entries"][5]["ErrorCode"] == "MalformedDetail", out
    ids = [e["EventId"] for e in out["Entries"][:5]]

    got = receive(big)
    assert sorted(json.loads(m["Body"])["id"] for m in got) == [3, 4], got
    got = [json.loads(m["Body"]) for m in receive(all_orders)]
    assert [e["id"] for e in got] == ids, "one group keeps the order"
    assert got[0]["detail"] == {"id": 0, "total": 0, "country": "DE"} and got[0]["detail-type"] == "OrderPlaced" and got[0]["resources"] == ["r"], got[0]
    assert got[0]["account"] == ACCOUNT and got[0]["region"] == "eu-central-1" and got[0]["version"] == "0", got[0]

    events.disable_rule(Name="big", EventBusName="shop")
    assert events.describe_rule(Name="big", EventBusName="shop")["State"] == "DISABLED"
    expect_error("ValidationException", events.delete_rule, Name="big", EventBusName="shop")  # it still has targets
    for name in ("big", "all"):
        events.remove_targets(Rule=name, EventBusName="shop", Ids=["q"])
        events.delete_rule(Name=name, EventBusName="shop")
    events.delete_event_bus(Name="shop")
    expect_error("ResourceNotFoundException", events.describe_event_bus, Name="shop")


def isolation():
    other = boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="secret", region_name="us-west-2").client("sqs")
    assert "QueueUrls" not in other.list_queues(), "regions are isolated"


for check in (identity, queues_and_attributes, messages, fifo, dead_letters, routing, isolation):
    check()
    print("ok", check.__name__)
