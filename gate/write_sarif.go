package gate

import (
	"cmp"
	"io"
	"net/url"
	"strings"
)

// The parts of SARIF 2.1.0 that are written:
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool              sarifTool         `json:"tool"`
		AutomationDetails sarifAutomation   `json:"automationDetails"`
		Invocations       []sarifInvocation `json:"invocations"`
		Provenance        []sarifProvenance `json:"versionControlProvenance,omitempty"`
		Language          string            `json:"language"`
		ColumnKind        string            `json:"columnKind"`
		Newlines          []string          `json:"newlineSequences"`
		Results           []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name     string      `json:"name"`
		Language string      `json:"language"`
		Rules    []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string          `json:"id"`
		Short      sarifText       `json:"shortDescription"`
		Help       sarifText       `json:"help"`
		Properties sarifProperties `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifProperties struct {
		Tags     []string `json:"tags,omitempty"`
		Tool     string   `json:"tool,omitempty"`
		Severity Severity `json:"severity,omitempty"`
		Owners   []string `json:"owners,omitempty"`
		Reports  []string `json:"reports,omitempty"`
	}
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifProvenance struct {
		URI      string `json:"repositoryUri"`
		Revision string `json:"revisionId,omitempty"`
		Branch   string `json:"branch,omitempty"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Baseline     string             `json:"baselineState"`
		Occurrences  int                `json:"occurrenceCount,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		CodeFlows    []sarifCodeFlow    `json:"codeFlows,omitempty"`
		Stacks       []sarifStack       `json:"stacks,omitempty"`
		Properties   sarifProperties    `json:"properties"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Message  *sarifText     `json:"message,omitempty"`
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
		Context  *sarifRegion  `json:"contextRegion,omitempty"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		Line    int        `json:"startLine"`
		Column  int        `json:"startColumn,omitempty"`
		EndLine int        `json:"endLine,omitempty"`
		Snippet *sarifText `json:"snippet,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifCodeFlow struct {
		ThreadFlows []sarifThreadFlow `json:"threadFlows"`
	}
	sarifThreadFlow struct {
		Message   *sarifText          `json:"message,omitempty"`
		Locations []sarifFlowLocation `json:"locations"`
	}
	sarifFlowLocation struct {
		Importance string        `json:"importance"`
		Location   sarifLocation `json:"location"`
	}
	sarifStack struct {
		Message *sarifText   `json:"message,omitempty"`
		Frames  []sarifFrame `json:"frames"`
	}
	sarifFrame struct {
		Location sarifLocation `json:"location"`
		Module   string        `json:"module,omitempty"`
	}
)

// writeSARIF writes one run of one tool, the gate, whatever tools told of the
// findings: so a clean run closes what an earlier one opened. The suite keeps
// its results apart from those of other suites.
func writeSARIF(to io.Writer, v Verdict, _ View) error {
	run := sarifRun{
		AutomationDetails: sarifAutomation{ID: "muster/" + suiteName(v) + "/"},
		Invocations:       []sarifInvocation{{Successful: v.Complete}},
		Language:          "en",
		ColumnKind:        "unicodeCodePoints",
		Newlines:          []string{"\r\n", "\n"},
		Results:           []sarifResult{},
	}
	for _, problem := range v.problems() {
		run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{"error", sarifText{problem}})
	}
	if len(v.Reports) == 0 {
		run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{"error", sarifText{v.Reason}})
	}
	if u, err := url.Parse(v.Source.Project); err == nil && u.Scheme != "" && u.Host != "" {
		run.Provenance = []sarifProvenance{{URI: v.Source.Project, Revision: v.Source.Commit, Branch: v.Source.Branch}}
	}
	rules := sarifRules{}
	for _, f := range v.Findings {
		run.Results = append(run.Results, f.sarif(&rules))
	}
	run.Tool.Driver = sarifDriver{Name: "Muster", Language: "en", Rules: rules.list()}
	return writeIndented(to, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// sarifRules are the kinds of findings as they come, each once.
type sarifRules struct {
	rules []sarifRule
	at    map[string]int
}

func (r *sarifRules) list() []sarifRule {
	if r.rules == nil {
		return []sarifRule{}
	}
	return r.rules
}

func (r *sarifRules) index(f Finding) int {
	key := f.Tool + "\x00" + f.Kind
	if i, ok := r.at[key]; ok {
		return i
	}
	if r.at == nil {
		r.at = map[string]int{}
	}
	help := f.Class.help()
	r.at[key] = len(r.rules)
	r.rules = append(r.rules, sarifRule{
		ID:         f.rule(),
		Short:      sarifText{help.title},
		Help:       sarifText{help.text},
		Properties: sarifProperties{Tags: []string{string(f.Class)}, Tool: f.Tool},
	})
	return r.at[key]
}

// rule is a rule's id: two tools may call different things by one name.
func (f Finding) rule() string { return cmp.Or(f.Tool, "gate") + "/" + f.Kind }

func (f Finding) sarif(rules *sarifRules) sarifResult {
	r := sarifResult{
		RuleIndex:    rules.index(f),
		RuleID:       f.rule(),
		Level:        map[Severity]string{Critical: "error", Error: "error", Warning: "warning", Info: "note"}[f.Severity],
		Message:      sarifText{cmp.Or(f.Message, f.title())},
		Locations:    []sarifLocation{f.At.sarif()},
		Fingerprints: map[string]string{"muster/v1": f.Fingerprint},
		Baseline:     "new",
		Occurrences:  f.Count,
		Properties:   sarifProperties{Severity: f.Severity, Owners: f.Owners, Tool: f.Tool, Reports: nonEmpty(f.Report)},
	}
	if p := r.Locations[0].Physical; p != nil && p.Region != nil && len(f.Excerpt.Lines) > 0 {
		p.Context = &sarifRegion{
			Line:    f.Excerpt.First,
			EndLine: f.Excerpt.First + len(f.Excerpt.Lines) - 1,
			Snippet: &sarifText{strings.Join(f.Excerpt.Lines, "\n")},
		}
	}
	if f.Standing == Accepted {
		r.Baseline = "unchanged"
		r.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: f.Known.Reason}}
	}
	var flow sarifCodeFlow
	for _, s := range f.Stacks {
		var title *sarifText
		if s.Title != "" {
			title = &sarifText{s.Title}
		}
		stack := sarifStack{Message: title, Frames: []sarifFrame{}}
		thread := sarifThreadFlow{Message: title}
		for i := range s.Frames {
			frame, outer := s.Frames[i], s.Frames[len(s.Frames)-1-i]
			stack.Frames = append(stack.Frames, sarifFrame{Location: frame.sarif(), Module: frame.Object})
			if outer.File != "" { // a flow goes forward in time
				importance := "important"
				if foreign(outer) {
					importance = "unimportant"
				}
				thread.Locations = append(thread.Locations, sarifFlowLocation{importance, outer.sarif()})
			}
		}
		r.Stacks = append(r.Stacks, stack)
		if len(thread.Locations) > 0 {
			flow.ThreadFlows = append(flow.ThreadFlows, thread)
		}
	}
	if len(flow.ThreadFlows) > 0 {
		r.CodeFlows = []sarifCodeFlow{flow}
	}
	return r
}

// sarif is a frame as a location.
func (f Frame) sarif() sarifLocation {
	var l sarifLocation
	if f.File != "" {
		l.Physical = &sarifPhysical{Artifact: artifact(f.File)}
		if f.Line > 0 {
			l.Physical.Region = &sarifRegion{Line: f.Line, Column: max(0, f.Column)}
		}
	}
	if f.Function != "" {
		l.Logical = []sarifLogical{{Name: f.Function, Kind: "function"}}
	}
	if text := f.line(); text != "" {
		l.Message = &sarifText{text}
	}
	return l
}

// artifact is a path as a URI: of the repository, or of the machine.
func artifact(path string) sarifArtifact {
	path = strings.ReplaceAll(path, `\`, "/")
	if len(path) > 1 && path[1] == ':' { // a drive
		path = "/" + path
	}
	if strings.HasPrefix(path, "/") {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: path}).String()}
	}
	uri := (&url.URL{Path: strings.TrimPrefix(path, "./")}).String()
	return sarifArtifact{URI: strings.TrimPrefix(uri, "./"), Base: "%SRCROOT%"}
}
