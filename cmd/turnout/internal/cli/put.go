package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/put"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

// putFlags is what the command line of put says.
type putFlags struct {
	endpoint, region                string
	bus, source, detailType, detail string
	file                            string
}

func newPut(p *Process) *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put",
		Short: "Publish one event, or a stream of them",
		Long: `Put publishes events with PutEvents: one from --detail, or a stream from --file, ten a request and in order.

A file has one JSON object a line. With --detail-type each line is the detail of an event; without it
each line is a PutEvents entry: {"Source": …, "DetailType": …, "Detail": …}, where Detail may be an
object or a string, and EventBusName, Resources, Time and TraceHeader may be given.

Credentials and region come from the AWS_ variables if they are set. The exit code is 1 if any event failed.`,
		Example: `  turnout put --source shop --detail-type OrderPlaced --detail '{"id": 1}'
  turnout put --source rooms --detail-type reading --file readings.ndjson
  producer | turnout put --file - --bus orders -o json`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "URL of the server (environment: AWS_ENDPOINT_URL; default "+awsclient.DefaultEndpoint+")")
	flags.StringVar(&f.region, "region", "", "AWS region (environment: AWS_REGION; default "+awsclient.DefaultRegion+")")
	flags.StringVar(&f.bus, "bus", "default", "event bus, by name or ARN")
	flags.StringVar(&f.source, "source", "", "source of the event, or of the lines that name none")
	flags.StringVar(&f.detailType, "detail-type", "", "detail type of the event; with --file, each line is a detail")
	flags.StringVar(&f.detail, "detail", "", "detail of the event: a JSON object")
	flags.StringVar(&f.file, "file", "", "file with one event a line; - is standard input")
	form := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd, p, *form) }
	return cmd
}

func (f *putFlags) run(cmd *cobra.Command, p *Process, form output) error {
	in, closeIn, err := f.open(cmd, p)
	if err != nil {
		return err
	}
	defer closeIn()
	clients, err := awsclient.New(awsclient.Config{Endpoint: f.endpoint, Region: f.region}.FromEnvironment(p.getenv))
	if err != nil {
		return usageError{err}
	}
	defer clients.Close()

	stderr := terminal.New(p.Stderr, p.getenv)
	progress := terminal.NewProgress(stderr, "events published", -1)
	defaults := put.Defaults{Bus: f.bus, Source: f.source, DetailType: f.detailType, Details: f.detailType != ""}
	summary, err := put.Run(cmd.Context(), clients, in, defaults, func(s *put.Summary) {
		if f.file != "" {
			progress.Set(s.Published)
		}
	})
	progress.Done()
	if form == asJSON {
		err = errors.Join(err, printJSON(p.Stdout, summary))
	} else {
		f.print(summary, terminal.New(p.Stdout, p.getenv), stderr)
	}
	if err == nil && summary.Failed > 0 {
		return errReported
	}
	return err
}

// open returns the stream of lines that the flags name.
func (f *putFlags) open(cmd *cobra.Command, p *Process) (in io.Reader, closeIn func(), err error) {
	given := cmd.Flags().Changed
	switch {
	case given("detail") && given("file"):
		return nil, nil, usageError{errors.New("give either --detail or --file")}
	case given("detail"):
		if f.source == "" || f.detailType == "" {
			return nil, nil, usageError{errors.New("--detail needs --source and --detail-type")}
		}
		// One line, whatever the white space between its tokens.
		return strings.NewReader(strings.NewReplacer("\n", " ", "\r", " ").Replace(f.detail)), func() {}, nil
	case f.file == "-":
		return p.Stdin, func() {}, nil
	case f.file != "":
		file, err := os.Open(f.file)
		if err != nil {
			return nil, nil, err
		}
		return file, func() { _ = file.Close() }, nil // only read
	}
	return nil, nil, usageError{errors.New("nothing to publish: give --detail or --file")}
}

// print tells people what happened: what was published on standard output,
// what failed on standard error.
func (f *putFlags) print(s *put.Summary, out, stderr *terminal.Printer) {
	for _, failure := range s.Failures {
		where := ""
		if f.file != "" {
			where = fmt.Sprintf("line %d: ", failure.Line)
		}
		stderr.Printf("%s %s%s: %s\n", stderr.Red("failed:"), where, failure.Code, failure.Message)
	}
	if more := s.Failed - len(s.Failures); more > 0 {
		stderr.Printf("… and %s more failed\n", terminal.Count(more))
	}
	switch {
	case f.file == "" && s.EventID != "":
		out.Printf("%s\n", s.EventID)
	case f.file != "":
		rate := 0
		if s.Seconds > 0 {
			rate = int(float64(s.Published) / s.Seconds)
		}
		out.Printf("published %s, failed %s, in %.1f s (%s events/s)\n",
			terminal.Count(s.Published), terminal.Count(s.Failed), s.Seconds, terminal.Count(rate))
	}
}
