package catalog

// For the fuzzer of keys.
var (
	SplitKey  = splitKey
	AppendKey = appendKey
)
