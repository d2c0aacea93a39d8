package gate

import "testing"

func TestSARIFSamples(t *testing.T) {
	const format = "SARIF 2.1.0"
	checkSamples(t, "sarif", []sampleWant{
		{"1-Introduction__simple-example.sarif", format, 1, "", "one result"},
		{"2-Basics__empty-log.sarif.json", format, 0, "", "results are there, and empty"},
		{"3-Beyond-basics__automation-details.sarif", format, 0, "", "results are there, and empty"},
		{"3-Beyond-basics__bad-eval-with-code-flow.sarif", format, 1, "", "the places of a flow are no findings"},
		{"3-Beyond-basics__bad-eval.sarif", format, 1, "", "one result"},
		{"3-Beyond-basics__link-to-location.sarif", format, 1, "", "a related location is no finding"},
		{"3-Beyond-basics__message-from-metadata.sarif", format, 1, "", "one result"},
		{"3-Beyond-basics__message-with-arguments.sarif", format, 1, "", "one result"},
		{"3-Beyond-basics__standard-taxonomy.sarif", format, 1, "", "a taxon is no finding"},
		{"Baseline.sarif", format, 3, "", "four results, of which one is absent by now"},
		{"CodeFlows.sarif", format, 1, "", "two flows of one result"},
		{"ContextRegion.sarif", format, 1, "", "one result"},
		{"DefaultRuleConfiguration.sarif", format, 2, "", "two results"},
		{"EmbeddedBinaryContent.sarif", format, 1, "", "one result"},
		{"EmbeddedTextContent.sarif", format, 2, "", "two results"},
		{"ExceptionalConditions__Catastrophic_configuration_error.sarif", format, 0, "Ruleset 'no-such-ruleset.xml' does not exist.", "no results, and executionSuccessful is false"},
		{"ExceptionalConditions__Empty_runs.sarif", format, 0, "no tool has run", "no run"},
		{"ExceptionalConditions__One_run_empty_results.sarif", format, 0, "", "a scan that found nothing"},
		{"ExceptionalConditions__One_run_no_results.sarif", format, 0, "/runs/0/results: missing", "a run that was no scan"},
		{"ExceptionalConditions__One_run_with_results.sarif", format, 1, "", "one result"},
		{"Notifications.sarif", format, 0, "'TUT1201' threw a 'NullReferenceException'", "its level is that of the descriptor: error"},
		{"OriginalUriBaseIds.sarif", format, 3, "", "three results"},
		{"PROVENANCE.md", text.Name, 0, "that proves nothing", "a table for people"},
		{"RuleMetadata.sarif", format, 1, "", "one result"},
		{"_template.sarif", format, 1, "", "one result"},
		{"sdk-GH1001.ProvideRequiredLocationProperties_Invalid.sarif", format, 3, "", "results without a place are findings"},
		{"sdk-GH1001.ProvideRequiredLocationProperties_Valid.sarif", format, 1, "", "one result"},
		{"sdk-GH1002.InlineThreadFlowLocations_Valid.sarif", format, 1, "", "one result"},
		{"sdk-GH1003.ProvideRequiredRegionProperties_Invalid.sarif", format, 1, "", "a place without a line is a place"},
		{"sdk-GH1003.ProvideRequiredRegionProperties_Valid.sarif", format, 1, "", "one result"},
		{"sdk-GH1004.ReviewArraysThatExceedConfigurableDefaults_Valid.sarif", format, 1, "", "its message's id is not there: a finding all the same"},
		{"sdk-SARIF1001.RuleIdentifiersMustBeValid_Invalid.sarif", format, 0, "", "three runs that found nothing"},
		{"sdk-SARIF1001.RuleIdentifiersMustBeValid_Valid.sarif", format, 0, "", "two runs that found nothing"},
		{"sdk-SARIF1004.ExpressUriBaseIdsCorrectly_Valid.sarif", format, 1, "", "its notifications are warnings by default"},
		{"sdk-SARIF1007.RegionPropertiesMustBeConsistent_Valid.sarif", format, 2, "", "several places of one result"},
		{"sdk-SARIF1009.IndexPropertiesMustBeConsistentWithArrays_Invalid.sarif", format, 3, "executionSuccessful: false", "indices that point nowhere do no harm"},
		{"sdk-SARIF1009.IndexPropertiesMustBeConsistentWithArrays_Valid.sarif", format, 1, "", "one result"},
		{"sdk-SARIF1010.RuleIdMustBeConsistent_Invalid.sarif", format, 3, "", "results without a rule are findings"},
		{"sdk-SARIF1010.RuleIdMustBeConsistent_Valid.sarif", format, 4, "", "four results"},
		{"sdk-SARIF1012.MessageArgumentsMustBeConsistentWithRule_Invalid.sarif", format, 4, "", "messages that are not there"},
		{"sdk-SARIF1012.MessageArgumentsMustBeConsistentWithRule_Valid.sarif", format, 1, "", "one result"},
		{"sdk-SARIF2002.ProvideMessageArguments_Invalid.sarif", format, 1, "", "one result"},
		{"sdk-SARIF2002.ProvideMessageArguments_Valid.sarif", format, 1, "", "one result"},
	})
}

func TestSARIFDraftSamples(t *testing.T) {
	const draft = "the file is SARIF 2.2, which is a draft; version 2.1.0 is read"
	checkSamples(t, "sarif-2.2-draft", []sampleWant{
		{"PROVENANCE.md", text.Name, 0, "that proves nothing", "a table for people"},
		{"comprehensive.json", "", 0, draft, "version 2.2"},
		{"example-3-13-5-01.json", "", 0, draft, "version 2.2"},
		{"example-3-3-4-01.json", "", 0, draft, "version 2.2"},
		{"graft.json", "SARIF 2.1.0", 0, "", "the one with version 2.1.0: a scan that found nothing"},
		{"minimal-recommended-with-source-info.json", "", 0, draft, "version 2.2"},
		{"minimal-recommended-without-source-info.json", "", 0, draft, "version 2.2"},
		{"minimal-valid.json", "", 0, draft, "version 2.2"},
	})
}
