package webhook

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// nameServer answers queries on loopback as told: with the n-th call for a name
// and a type of query.
type nameServer struct {
	answer func(name string, v6 bool, n int) []netip.Addr

	mu    sync.Mutex
	calls map[string]int
}

// startNameServer returns a resolver that asks nobody else, and what it dials with.
func startNameServer(t *testing.T, answer func(name string, v6 bool, n int) []netip.Addr) *net.Resolver {
	t.Helper()
	s := &nameServer{answer: answer, calls: map[string]int{}}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { s.serveUDP(udp) })
	wg.Go(func() { s.serveTCP(tcp) })
	t.Cleanup(func() {
		_ = udp.Close()
		_ = tcp.Close()
		wg.Wait()
	})
	return newResolver(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		if strings.HasPrefix(network, "tcp") {
			return d.DialContext(ctx, network, tcp.Addr().String())
		}
		return d.DialContext(ctx, network, udp.LocalAddr().String())
	})
}

func (s *nameServer) serveUDP(c net.PacketConn) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buffer)
		if err != nil {
			return
		}
		reply := s.reply(buffer[:n])
		if len(reply) > 1232 {
			reply = reply[:12]
			reply[2] |= 2 // truncated: ask by TCP
			clear(reply[4:12])
			reply = append(reply, question(buffer[:n])...)
			reply[5] = 1
		}
		_, _ = c.WriteTo(reply, from)
	}
}

func (s *nameServer) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err == nil {
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, query); err == nil {
				reply := s.reply(query)
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}
		}
		_ = c.Close()
	}
}

// question returns the question section of a query with one question.
func question(query []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	return query[12 : end+5]
}

func (s *nameServer) reply(query []byte) []byte {
	q := question(query)
	var labels []string
	for i := 0; q[i] != 0; i += int(q[i]) + 1 {
		labels = append(labels, string(q[i+1:i+1+int(q[i])]))
	}
	name, kind := strings.Join(labels, "."), binary.BigEndian.Uint16(q[len(q)-4:])
	v6 := kind == 28
	s.mu.Lock()
	key := name + map[bool]string{false: "/4", true: "/6"}[v6]
	s.calls[key]++
	n := s.calls[key]
	s.mu.Unlock()

	addrs := s.answer(name, v6, n)
	reply := append([]byte(nil), query[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1)
	reply = binary.BigEndian.AppendUint16(reply, uint16(len(addrs)))
	reply = append(append(reply, 0, 0, 0, 0), q...)
	for _, a := range addrs {
		reply = append(reply, 0xc0, 12)
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = append(reply, 0, 1, 0, 0, 0, 0)
		raw := a.AsSlice()
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(raw)))
		reply = append(reply, raw...)
	}
	return reply
}
