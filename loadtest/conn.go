package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// requestTimeout bounds one request; a long poll takes up to 20 s of it.
const requestTimeout = 40 * time.Second

// conn is a keep-alive HTTP/1.1 connection that sends ready-made requests. It
// understands only as much of a response as it needs, so that the client costs
// little beside the server on the same machine. It is used by one goroutine.
type conn struct {
	c    net.Conn
	r    *bufio.Reader
	body []byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, r: bufio.NewReaderSize(c, 32<<10)}, nil
}

func (c *conn) close() { _ = c.c.Close() }

// do sends a whole request and returns the body of the response, which is
// valid until the next call. A status other than 200 is an error.
func (c *conn) do(request []byte) ([]byte, error) {
	if err := c.c.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		return nil, err
	}
	status, length, chunked, err := c.head()
	if err != nil {
		return nil, err
	}
	if chunked {
		err = c.readChunks()
	} else {
		err = c.readBody(length)
	}
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("status %d: %.300s", status, c.body)
	}
	return c.body, nil
}

// head reads the status line and the headers.
func (c *conn) head() (status, length int, chunked bool, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, false, fmt.Errorf("not an HTTP/1.1 response: %.80q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, err
	}
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, 0, false, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return status, length, chunked, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, 0, false, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
}

func (c *conn) readBody(length int) error {
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err := io.ReadFull(c.r, c.body)
	return err
}

func (c *conn) readChunks() error {
	c.body = c.body[:0]
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("chunk size: %w", err)
		}
		at := len(c.body)
		c.body = append(c.body, make([]byte, size+2)...)
		if _, err := io.ReadFull(c.r, c.body[at:]); err != nil {
			return err
		}
		c.body = c.body[:at+int(size)] // without the line break after the chunk
		if size == 0 {
			return nil
		}
	}
}

// stringField returns the raw text, escapes and all, of the first string
// member of this name at or after from, and where it ends; nil when there is none.
func stringField(body []byte, name string, from int) (value []byte, end int) {
	at := bytes.Index(body[from:], []byte(`"`+name+`"`))
	if at < 0 {
		return nil, from
	}
	at += from + len(name) + 2
	open := bytes.IndexByte(body[at:], '"')
	if open < 0 {
		return nil, from
	}
	start := at + open + 1
	for i := start; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return body[start:i], i + 1
		}
	}
	return nil, from
}

var errFailedEntries = errors.New("entries failed")

// wholly returns an error when a batch answer says that an entry failed.
func wholly(body []byte) error {
	if bytes.Contains(body, []byte(`"Failed":[{`)) || bytes.Contains(body, []byte(`"ErrorCode"`)) {
		return fmt.Errorf("%w: %.300s", errFailedEntries, body)
	}
	return nil
}
