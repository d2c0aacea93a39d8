package gate

import "testing"

func TestSARIFSamples(t *testing.T) {
	const format = "SARIF 2.1.0"
	readSamples(t, "sarif", []sample{
		{file: "1-Introduction__simple-example.sarif", format: format, total: 1, why: "one result"},
		{file: "2-Basics__empty-log.sarif.json", format: format, why: "results are there, and empty"},
		{file: "3-Beyond-basics__automation-details.sarif", format: format, why: "results are there, and empty"},
		{file: "3-Beyond-basics__bad-eval-with-code-flow.sarif", format: format, total: 1, why: "the places of a flow are no findings"},
		{file: "3-Beyond-basics__bad-eval.sarif", format: format, total: 1, why: "one result"},
		{file: "3-Beyond-basics__link-to-location.sarif", format: format, total: 1, why: "a related location is no finding"},
		{file: "3-Beyond-basics__message-from-metadata.sarif", format: format, total: 1, why: "one result"},
		{file: "3-Beyond-basics__message-with-arguments.sarif", format: format, total: 1, why: "one result"},
		{file: "3-Beyond-basics__standard-taxonomy.sarif", format: format, total: 1, why: "a taxon is no finding"},
		{file: "Baseline.sarif", format: format, total: 3, why: "four results, of which one is absent by now"},
		{file: "CodeFlows.sarif", format: format, total: 1, why: "two flows of one result"},
		{file: "ContextRegion.sarif", format: format, total: 1, why: "one result"},
		{file: "DefaultRuleConfiguration.sarif", format: format, total: 2, why: "two results"},
		{file: "EmbeddedBinaryContent.sarif", format: format, total: 1, why: "one result"},
		{file: "EmbeddedTextContent.sarif", format: format, total: 2, why: "two results"},
		{file: "ExceptionalConditions__Catastrophic_configuration_error.sarif", format: format, broken: "Ruleset 'no-such-ruleset.xml' does not exist.", why: "no results, and executionSuccessful is false"},
		{file: "ExceptionalConditions__Empty_runs.sarif", format: format, broken: "no tool has run", why: "no run"},
		{file: "ExceptionalConditions__One_run_empty_results.sarif", format: format, why: "a scan that found nothing"},
		{file: "ExceptionalConditions__One_run_no_results.sarif", format: format, broken: "/runs/0/results: missing", why: "a run that was no scan"},
		{file: "ExceptionalConditions__One_run_with_results.sarif", format: format, total: 1, why: "one result"},
		{file: "Notifications.sarif", format: format, broken: "'TUT1201' threw a 'NullReferenceException'", why: "its level is that of the descriptor: error"},
		{file: "OriginalUriBaseIds.sarif", format: format, total: 3, why: "three results"},
		{file: "PROVENANCE.md", format: text.Name, broken: "that proves nothing", why: "a table for people"},
		{file: "RuleMetadata.sarif", format: format, total: 1, why: "one result"},
		{file: "_template.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-GH1001.ProvideRequiredLocationProperties_Invalid.sarif", format: format, total: 3, why: "results without a place are findings"},
		{file: "sdk-GH1001.ProvideRequiredLocationProperties_Valid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-GH1002.InlineThreadFlowLocations_Valid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-GH1003.ProvideRequiredRegionProperties_Invalid.sarif", format: format, total: 1, why: "a place without a line is a place"},
		{file: "sdk-GH1003.ProvideRequiredRegionProperties_Valid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-GH1004.ReviewArraysThatExceedConfigurableDefaults_Valid.sarif", format: format, total: 1, why: "its message's id is not there: a finding all the same"},
		{file: "sdk-SARIF1001.RuleIdentifiersMustBeValid_Invalid.sarif", format: format, why: "three runs that found nothing"},
		{file: "sdk-SARIF1001.RuleIdentifiersMustBeValid_Valid.sarif", format: format, why: "two runs that found nothing"},
		{file: "sdk-SARIF1004.ExpressUriBaseIdsCorrectly_Valid.sarif", format: format, total: 1, why: "its notifications are warnings by default"},
		{file: "sdk-SARIF1007.RegionPropertiesMustBeConsistent_Valid.sarif", format: format, total: 2, why: "several places of one result"},
		{file: "sdk-SARIF1009.IndexPropertiesMustBeConsistentWithArrays_Invalid.sarif", format: format, total: 3, broken: "executionSuccessful: false", why: "indices that point nowhere do no harm"},
		{file: "sdk-SARIF1009.IndexPropertiesMustBeConsistentWithArrays_Valid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-SARIF1010.RuleIdMustBeConsistent_Invalid.sarif", format: format, total: 3, why: "results without a rule are findings"},
		{file: "sdk-SARIF1010.RuleIdMustBeConsistent_Valid.sarif", format: format, total: 4, why: "four results"},
		{file: "sdk-SARIF1012.MessageArgumentsMustBeConsistentWithRule_Invalid.sarif", format: format, total: 4, why: "messages that are not there"},
		{file: "sdk-SARIF1012.MessageArgumentsMustBeConsistentWithRule_Valid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-SARIF2002.ProvideMessageArguments_Invalid.sarif", format: format, total: 1, why: "one result"},
		{file: "sdk-SARIF2002.ProvideMessageArguments_Valid.sarif", format: format, total: 1, why: "one result"},
	})
}

func TestSARIFDraftSamples(t *testing.T) {
	const draft = "the file is SARIF 2.2, which is a draft; version 2.1.0 is read"
	readSamples(t, "sarif-2.2-draft", []sample{
		{file: "PROVENANCE.md", format: text.Name, broken: "that proves nothing", why: "a table for people"},
		{file: "comprehensive.json", broken: draft, why: "version 2.2"},
		{file: "example-3-13-5-01.json", broken: draft, why: "version 2.2"},
		{file: "example-3-3-4-01.json", broken: draft, why: "version 2.2"},
		{file: "graft.json", format: "SARIF 2.1.0", why: "the one with version 2.1.0: a scan that found nothing"},
		{file: "minimal-recommended-with-source-info.json", broken: draft, why: "version 2.2"},
		{file: "minimal-recommended-without-source-info.json", broken: draft, why: "version 2.2"},
		{file: "minimal-valid.json", broken: draft, why: "version 2.2"},
	})
}
