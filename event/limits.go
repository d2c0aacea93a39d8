package event

// Limits of what Read returns, in bytes of UTF-8 where they are sizes. What is
// longer is cut or left out with a Warning, but for bodies and their number of
// events, which are refused.
const (
	MaxBody        = 16 << 20 // the whole body, decompressed; a source, or the server before it, may set less
	MaxEvents      = 5_000    // events in one body
	MaxKey         = 255      // longer keys and groups are replaced by "sha256:" and 64 hexadecimal digits
	MaxTitle       = 1024
	MaxDescription = 64 << 10
	MaxSource      = 1024
	MaxName        = 255 // component, class, service, environment, names of labels, texts of links
	MaxLabels      = 128
	MaxLabelValue  = 4096
	MaxDetails     = 512 << 10 // Details as JSON
	MaxLinks       = 32
	MaxURL         = 2048
	MaxWarnings    = 32

	maxDepth  = 32      // of arrays and objects in a body
	maxNames  = 10_000  // in one object
	maxValues = 500_000 // in one body: a hundred for each of MaxEvents
	maxErrors = 16      // told about one body
)
