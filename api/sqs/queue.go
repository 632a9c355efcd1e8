package sqs

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

const (
	fifoSuffix  = ".fifo"
	nameMax     = 80    // characters of a queue's name
	listPageMax = 1_000 // names that one list answers
)

// errInvalidAddress is AWS's answer to a queue URL that no queue can have.
func errInvalidAddress(address string) error {
	return &awswire.WireError{Shape: "InvalidAddress", Status: http.StatusNotFound, Message: "The address " + address + " is not valid for this endpoint."}
}

// queueURL returns the URL of a queue as the client reaches this server. The
// region is not in it: a request's region is that of its credential's scope,
// so a URL leads back to its queue for every client of the queue's region.
func queueURL(r *awswire.Request, name turnout.QueueName) string {
	host := r.Host
	if host == "" {
		host = "localhost"
	}
	return r.Scheme + "://" + host + "/" + name.Account + "/" + name.Name
}

// queueFromURL returns the queue that a QueueUrl parameter names: a URL, its
// path, or, as AWS allows, the name alone.
func queueFromURL(r *awswire.Request, address string) (turnout.QueueName, error) {
	name := turnout.QueueName{Scope: r.Scope}
	path := address
	if _, rest, ok := strings.Cut(address, "://"); ok {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return name, errInvalidAddress(address)
		}
		path = rest[slash:]
	} else if !strings.Contains(address, "/") {
		name.Name = address
		return name, nil
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return name, errInvalidAddress(address)
	}
	account, queue, ok := splitQueuePath(unescaped)
	if !ok {
		return name, errInvalidAddress(address)
	}
	name.Account, name.Name = account, queue
	return name, nil
}

// splitQueuePath returns the account and the name that end the path of a queue URL.
func splitQueuePath(path string) (account, name string, ok bool) {
	path = strings.Trim(path, "/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return "", "", false
	}
	account, name = path[:slash], path[slash+1:]
	account = account[strings.LastIndexByte(account, '/')+1:]
	return account, name, isAccount(account) && name != ""
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// queueOf returns the queue that a request is for: the one of its QueueUrl, or
// else the one whose URL it was sent to.
func queueOf(r *awswire.Request, address []byte) (turnout.QueueName, error) {
	if len(address) > 0 {
		return queueFromURL(r, string(address))
	}
	if account, name, ok := splitQueuePath(r.Path); ok {
		return turnout.QueueName{Scope: turnout.Scope{Account: account, Region: r.Region}, Name: name}, nil
	}
	return turnout.QueueName{}, missingParameter("QueueUrl")
}

// queueParam is queueOf for operations that read their parameters by name.
func queueParam(r *awswire.Request, p *awswire.Params) (turnout.QueueName, error) {
	address, _ := p.String("QueueUrl")
	if err := p.Err(); err != nil {
		return turnout.QueueName{}, err
	}
	return queueOf(r, []byte(address))
}

// refuseOnQueueURL refuses an operation that AWS does not know on a queue's URL.
func refuseOnQueueURL(r *awswire.Request) error {
	if _, _, ok := splitQueuePath(r.Path); ok && r.Protocol == awswire.ProtocolQuery {
		return turnout.Errorf(turnout.CodeInvalidAction, "The action %s is not valid for this endpoint.", r.Operation)
	}
	return nil
}

// checkName checks the name of a queue to be. FIFO queues have the suffix .fifo, and no others.
func checkName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	switch {
	case name == "":
		return turnout.Errorf(turnout.CodeInvalidParameter, "Queue name cannot be empty")
	case fifo && (!suffixed || len(name) > nameMax || !isNameText(base)):
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && (suffixed || len(name) > nameMax || !isNameText(name)):
		return turnout.Errorf(turnout.CodeInvalidParameter, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// isNameText reports whether s is one or more of A–Z a–z 0–9 - _.
func isNameText(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func (a *API) createQueue(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	if err := refuseOnQueueURL(r); err != nil {
		return nil, err
	}
	p := r.Params()
	queue, named := p.String("QueueName")
	given, _ := p.Map(attributesMap)
	tags, _ := p.Map(awswire.Map{JSON: "tags", XML: "Tag", Key: "Key", Value: "Value"})
	if err := p.Err(); err != nil {
		return nil, err
	}
	if !named {
		return nil, errNoQueueName()
	}
	fifo, err := fifoOf(given, strings.HasSuffix(queue, fifoSuffix))
	if err != nil {
		return nil, err
	}
	if err := checkName(queue, fifo); err != nil {
		return nil, err
	}
	attributes := turnout.DefaultQueueAttributes()
	attributes.FIFO = fifo
	if err := applyAttributes(&attributes, given); err != nil {
		return nil, err
	}
	if err := checkTags(tags, nil); err != nil {
		return nil, err
	}
	name := turnout.QueueName{Scope: r.Scope, Name: queue}
	err = a.engine.CreateQueue(ctx, name, turnout.QueueSettings{Attributes: attributes, Tags: tags}, func(existing turnout.QueueAttributes) error {
		return sameAttributes(existing, given)
	})
	if err != nil {
		return nil, err
	}
	return queueURLResult(queueURL(r, name)), nil
}

func errNoQueueName() error {
	return turnout.Errorf(turnout.CodeInvalidParameter, "Value for parameter QueueName is invalid. Reason: Must specify a queue name.")
}

func queueURLResult(address string) awswire.Result {
	return resultFunc(func(e *awswire.Encoder) { e.String("QueueUrl", address) })
}

func (a *API) getQueueURL(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	queue, _ := p.String("QueueName")
	owner, owned := p.String("QueueOwnerAWSAccountId")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if queue == "" {
		return nil, errNoQueueName()
	}
	name := turnout.QueueName{Scope: r.Scope, Name: queue}
	if owned && owner != "" {
		name.Account = owner
	}
	if _, err := a.engine.Queue(ctx, name); err != nil {
		return nil, err
	}
	return queueURLResult(queueURL(r, name)), nil
}

func (a *API) deleteQueue(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := queueParam(r, r.Params())
	if err != nil {
		return nil, err
	}
	return nil, a.engine.DeleteQueue(ctx, name)
}

func (a *API) purgeQueue(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := queueParam(r, r.Params())
	if err != nil {
		return nil, err
	}
	return nil, a.engine.PurgeQueue(ctx, name)
}

func (a *API) listQueues(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	if err := refuseOnQueueURL(r); err != nil {
		return nil, err
	}
	p := r.Params()
	prefix, _ := p.String("QueueNamePrefix")
	page, err := pageOf(p)
	if err != nil {
		return nil, err
	}
	names, err := a.engine.Queues(ctx, r.Scope, prefix)
	if err != nil {
		return nil, err
	}
	return page.result(r, names, awswire.List{JSON: "QueueUrls", XML: "QueueUrl", QueryJSON: "queueUrls"}), nil
}

func (a *API) listDeadLetterSourceQueues(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	page, err := pageOf(p)
	if err != nil {
		return nil, err
	}
	names, err := a.engine.DeadLetterSources(ctx, name)
	if err != nil {
		return nil, err
	}
	result := page.result(r, names, awswire.List{JSON: "queueUrls", XML: "QueueUrl", QueryJSON: "queueUrls"})
	result.always = true
	return result, nil
}

// page is what a list operation was asked for.
type page struct {
	size  int    // names to answer
	paged bool   // MaxResults was given: only then is there a NextToken
	after string // the name before the page; "" is the first page
}

func pageOf(p *awswire.Params) (page, error) {
	pg := page{size: listPageMax}
	n, given := p.Int("MaxResults")
	token, _ := p.String("NextToken")
	if err := p.Err(); err != nil {
		return pg, err
	}
	if given {
		if n < 1 || n > listPageMax {
			return pg, invalidParameter("MaxResults", n, "MaxResults must be an integer between 1 and 1000.")
		}
		pg.size, pg.paged = n, true
	}
	if token != "" {
		after, err := base64.URLEncoding.DecodeString(token)
		if err != nil || len(after) == 0 {
			return pg, turnout.Errorf(turnout.CodeInvalidParameter, "Invalid or expired next token.")
		}
		pg.after = string(after)
	}
	return pg, nil
}

// queueList is a page of queue URLs.
type queueList struct {
	list   awswire.List
	urls   []string
	token  string
	always bool // the list is written even when it is empty
}

func (pg page) result(r *awswire.Request, names []turnout.QueueName, list awswire.List) *queueList {
	if pg.after != "" {
		from, found := slices.BinarySearchFunc(names, pg.after, func(q turnout.QueueName, after string) int { return strings.Compare(q.Name, after) })
		if found {
			from++
		}
		names = names[from:]
	}
	l := &queueList{list: list}
	if len(names) > pg.size {
		names = names[:pg.size]
		if pg.paged {
			l.token = base64.URLEncoding.EncodeToString([]byte(names[pg.size-1].Name))
		}
	}
	for _, n := range names {
		l.urls = append(l.urls, queueURL(r, n))
	}
	return l
}

// EncodeTo writes the URLs; AWS leaves an empty list of queues out.
func (l *queueList) EncodeTo(e *awswire.Encoder) {
	if len(l.urls) > 0 || l.always || e.Format() == awswire.QueryJSON {
		e.Strings(l.list, l.urls)
	}
	e.Optional("NextToken", l.token)
}
