// Drives a running server with the AWS SDK for JavaScript (v3) and checks the answers.
// usage: AWS_ENDPOINT_URL=... NODE_PATH=.../node_modules node sdk_check.cjs
const assert = require('node:assert/strict');
const sqs = require('@aws-sdk/client-sqs');
const eb = require('@aws-sdk/client-eventbridge');

const config = { region: 'eu-west-1', credentials: { accessKeyId: '444455556666', secretAccessKey: 'secret' } };
const queues = new sqs.SQSClient(config);
const events = new eb.EventBridgeClient(config);
const q = (Command, input) => queues.send(new sqs[Command](input));
const e = (Command, input) => events.send(new eb[Command](input));

async function main() {
  const { QueueUrl } = await q('CreateQueueCommand', {
    QueueName: 'readings.fifo',
    Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' },
    tags: { team: 'rooms' },
  });
  const { Attributes } = await q('GetQueueAttributesCommand', { QueueUrl, AttributeNames: ['All'] });
  assert.equal(Attributes.QueueArn, 'arn:aws:sqs:eu-west-1:444455556666:readings.fifo');
  assert.deepEqual((await q('ListQueueTagsCommand', { QueueUrl })).Tags, { team: 'rooms' });

  await e('CreateEventBusCommand', { Name: 'rooms' });
  await e('PutRuleCommand', { Name: 'warm', EventBusName: 'rooms', EventPattern: JSON.stringify({ detail: { temperature: [{ numeric: ['>', 23] }] } }) });
  const put = await e('PutTargetsCommand', {
    Rule: 'warm', EventBusName: 'rooms',
    Targets: [{ Id: 'q', Arn: Attributes.QueueArn, SqsParameters: { MessageGroupId: '$.detail.device' } }],
  });
  assert.equal(put.FailedEntryCount, 0);
  const published = await e('PutEventsCommand', {
    Entries: [22, 24, 25].map((temperature) => ({
      EventBusName: 'rooms', Source: 'rooms', DetailType: 'reading', Detail: JSON.stringify({ device: 'lab-1', temperature }),
    })),
  });
  assert.equal(published.FailedEntryCount, 0);

  const { Messages } = await q('ReceiveMessageCommand', { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, MessageSystemAttributeNames: ['All'] });
  assert.deepEqual(Messages.map((m) => JSON.parse(m.Body).detail.temperature), [24, 25]);
  assert.equal(Messages[0].Attributes.MessageGroupId, 'lab-1');
  const { Successful } = await q('DeleteMessageBatchCommand', {
    QueueUrl, Entries: Messages.map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle })),
  });
  assert.equal(Successful.length, 2);
  await assert.rejects(q('GetQueueUrlCommand', { QueueName: 'nothing' }), (err) => err instanceof sqs.QueueDoesNotExist);
  await assert.rejects(e('DescribeEventBusCommand', { Name: 'nothing' }), (err) => err instanceof eb.ResourceNotFoundException);
  console.log('ok');
}

main().catch((err) => { console.error(err); process.exit(1); });
