package gate

import (
	_ "github.com/joshdk/go-junit"
	_ "github.com/owenrumney/go-sarif/v3/pkg/report"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
)
