package testbus

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// newConn connects to the gRPC listener until the test ends.
func newConn(t *testing.T, b *Bus) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///turnout.test:4567",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return b.grpc.Load().Dial(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
