package eventbridge

import (
	"context"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// archiveEnabled is the only state that an archive of Turnout has: changes take
// effect at once, so it is never seen being created or updated.
const archiveEnabled = "ENABLED"

const day = 24 * time.Hour

// retentionDaysMax is a hundred years. AWS gives no bound; a time.Duration has one.
const retentionDaysMax = 36_500

// createArchive serves CreateArchive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateArchive.html
func (a *api) createArchive(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	bus, err := archivedBus(r.Scope, in.Str("EventSourceArn"))
	if err != nil {
		return nil, err
	}
	archive := turnout.Archive{
		ArchiveName: turnout.ArchiveName{Scope: r.Scope, Name: in.Str("ArchiveName")},
		Bus:         bus,
	}
	if err := changeArchive(&archive, in); err != nil {
		return nil, err
	}
	archive, err = a.cfg.Archives.CreateArchive(ctx, archive)
	if err != nil {
		return nil, err
	}
	return archiveChanged(&archive), nil
}

// archivedBus returns the bus that an archive is of. AWS says of a bus that the
// caller does not own, wherever it may be, that it does not exist.
func archivedBus(scope turnout.Scope, arn string) (turnout.BusName, error) {
	bus, ok := turnout.ParseBusARN(arn)
	if !ok {
		return turnout.BusName{}, turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
	}
	if bus.Scope != scope {
		return turnout.BusName{}, busMissing(bus)
	}
	return bus, nil
}

// changeArchive sets what CreateArchive and UpdateArchive have in common; what a request leaves out stays.
func changeArchive(archive *turnout.Archive, in *shape.Value) error {
	if v := in.Field("Description"); v != nil {
		archive.Description = v.Text
	}
	if v := in.Field("EventPattern"); v != nil {
		archive.Pattern = v.Text
	}
	if v := in.Field("KmsKeyIdentifier"); v != nil {
		archive.KMSKeyID = v.Text
	}
	if v := in.Field("RetentionDays"); v != nil {
		if v.Number > retentionDaysMax {
			return turnout.Errorf(turnout.CodeValidation,
				"Parameter RetentionDays is not valid. Reason: Turnout keeps events for at most %d days, or with 0 for ever.", retentionDaysMax)
		}
		archive.Retention = time.Duration(v.Number) * day
	}
	return nil
}

// archiveChanged is the answer to CreateArchive and UpdateArchive.
func archiveChanged(archive *turnout.Archive) answer {
	return func(e *awswire.Encoder) {
		e.String("ArchiveArn", archive.ARN())
		e.String("State", archiveEnabled)
		e.Epoch("CreationTime", archive.CreatedAt)
	}
}

// updateArchive serves UpdateArchive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateArchive.html
func (a *api) updateArchive(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	if in.Field("EventPattern") == nil && in.Field("RetentionDays") == nil && in.Field("Description") == nil && in.Field("KmsKeyIdentifier") == nil {
		return nil, turnout.Errorf(turnout.CodeValidation, "At least one of EventPattern, RetentionDays or Description must be provided.")
	}
	name := turnout.ArchiveName{Scope: r.Scope, Name: in.Str("ArchiveName")}
	archive, err := a.cfg.Archives.UpdateArchive(ctx, name, func(archive *turnout.Archive) error {
		return changeArchive(archive, in)
	})
	if err != nil {
		return nil, err
	}
	return archiveChanged(&archive), nil
}

// deleteArchive serves DeleteArchive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteArchive.html
func (a *api) deleteArchive(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	return nil, a.cfg.Archives.DeleteArchive(ctx, turnout.ArchiveName{Scope: r.Scope, Name: in.Str("ArchiveName")})
}

// describeArchive serves DescribeArchive.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeArchive.html
func (a *api) describeArchive(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	archive, err := a.cfg.Archives.Archive(ctx, turnout.ArchiveName{Scope: r.Scope, Name: in.Str("ArchiveName")})
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.String("ArchiveArn", archive.ARN())
		e.Optional("Description", archive.Description)
		e.Optional("EventPattern", archive.Pattern)
		e.Optional("KmsKeyIdentifier", archive.KMSKeyID)
		encodeArchive(e, &archive)
	}, nil
}

// encodeArchive writes what ListArchives and DescribeArchive have in common.
func encodeArchive(e *awswire.Encoder, a *turnout.ArchiveInfo) {
	e.String("ArchiveName", a.Name)
	e.String("EventSourceArn", a.Bus.ARN())
	e.String("State", archiveEnabled)
	e.Int("RetentionDays", int64(a.Retention/day))
	e.Int("SizeBytes", a.SizeBytes)
	e.Int("EventCount", a.EventCount)
	e.Epoch("CreationTime", a.CreatedAt)
}

// listArchives serves ListArchives.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListArchives.html
func (a *api) listArchives(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	if err := oneFilter("ListArchives", in); err != nil {
		return nil, err
	}
	archives, err := a.cfg.Archives.Archives(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	if source := in.Field("EventSourceArn"); source != nil {
		bus, err := archivedBus(r.Scope, source.Text)
		if err != nil {
			return nil, err
		}
		if _, err := a.broker.Bus(ctx, bus); err != nil {
			return nil, err
		}
		archives = kept(archives, func(a *turnout.ArchiveInfo) bool { return a.Bus == bus })
	}
	if state := in.Field("State"); state != nil && state.Text != archiveEnabled {
		archives = nil
	}
	key := func(a *turnout.ArchiveInfo) string { return a.Name }
	archives, token, err := paging.Page(paging.WithPrefix(archives, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return listed("Archives", archives, token, encodeArchive), nil
}

// oneFilter checks that a request to list archives or replays has no more than one filter.
func oneFilter(operation string, in *shape.Value) error {
	filters := 0
	for _, name := range []string{"State", "EventSourceArn", "NamePrefix"} {
		if in.Field(name) != nil {
			filters++
		}
	}
	if filters > 1 {
		return turnout.Errorf(turnout.CodeValidation,
			"At most one filter is allowed for %s. Use either : State, EventSourceArn, or NamePrefix.", operation)
	}
	return nil
}

// kept returns the items that keep says yes to; items stays as it is.
func kept[T any](items []T, keep func(*T) bool) []T {
	var out []T
	for i := range items {
		if keep(&items[i]) {
			out = append(out, items[i])
		}
	}
	return out
}

// listed is the answer to an operation that lists structures: a page of items
// as the member of that name, and the token of the next page.
func listed[T any](name string, items []T, token string, encode func(*awswire.Encoder, *T)) answer {
	return func(e *awswire.Encoder) {
		l := awswire.List{JSON: name}
		e.BeginList(l)
		for i := range items {
			e.BeginItem(l)
			encode(e, &items[i])
			e.EndItem(l)
		}
		e.EndList()
		e.Optional("NextToken", token)
	}
}
