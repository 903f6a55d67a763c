// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import "strings"

// rule is one field's rules: values that must pass, and values that must be refused with exactly these words.
type rule struct {
	path string
	with fields // what else the manifest needs for the field to be looked at
	good []any
	bad  []bad
}

// bad is a value and what the API server must say of it: "Invalid value: <the value>: " precedes the words, unless
// they begin with another of the API server's headings; of a value of another type it names the type alone.
type bad struct {
	value any
	words string
}

const (
	secretName = "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, not empty"
	secretKey  = "must be a key of a Secret: letters, digits, '-', '_' and '.', not '.' and not beginning with '..'; leave it out for the default"
	whiteSpace = "must not contain white space; remove it, also at the beginning and the end"
	trimmed    = "must not begin or end with white space; remove it"
	port       = "must have a port from 1 to 65535, or none for the scheme's own"

	gitlabHost = "must have a host of letters, digits, '-', '_' and '.', or an IP address; write other names in their xn-- form"

	gitlabURL   = "must be an absolute URL with http:// or https:// and a host, like https://gitlab.example.com"
	gitlabUser  = "Forbidden: must not contain a user name or password, because everybody who may read this object would see them; put the access token into the Secret that tokenSecretRef names"
	gitlabQuery = "Forbidden: must not have a query ('?') or a fragment ('#'); write scheme, host and, if there is one, the path, like https://gitlab.example.com"
	gitlabAPI   = "must not contain the API's path; write the address of GitLab without /api/v4, the operator adds it"

	apiURL   = "must be an absolute URL with http:// or https://, in lower case, and a host, like https://k8s.example.com:6443"
	apiUser  = "Forbidden: must not contain a user name or password, because everybody who may read this object would see them; put the cluster's token into the Secret that tokenSecretRef names"
	apiQuery = "Forbidden: must not have a query ('?') or a fragment ('#'); write scheme, host, port and, if there is one, the path, like https://k8s.example.com:6443"
	apiHost  = "must have a host that begins with a letter or a digit, or is an IP address; GitLab refuses others"
	longHost = "must have a host of at most 1024 characters; GitLab refuses longer ones"

	scopeCharset  = "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces; GitLab refuses others"
	domainCharset = "can contain only letters, digits, '-' and '.'; write a plain domain like apps.example.com, without wildcard, underscore, scheme, port or white space"
	domainHyphen  = "must not have a label that begins or ends with '-'; remove the hyphen"
	domainDots    = "must not begin with a dot or have two dots in a row; remove the extra dot"
	domainEnd     = "must not end with a dot; remove it"
	domainLabel   = "must not have a label longer than 63 characters; shorten the part between the dots"

	namespaceCase     = "must be in lower case, as GitLab stores it; write it in lower case"
	namespaceFormat   = "must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	namespaceReserved = "must not be gitlab-managed-apps, which GitLab keeps for itself; choose another namespace"
	namespaceManaged  = "Forbidden: needs managed: false, because GitLab takes no namespace for an instance cluster whose namespaces it manages; set spec.managed to false or leave the namespace out"
)

func a(n int) string { return strings.Repeat("a", n) }

var labels255 = strings.Join([]string{a(63), a(63), a(63), a(63)}, ".")

var rules = append([]rule{
	{path: "spec", bad: []bad{{nil, "Required value"}}},
	{path: "spec.gitlab", bad: []bad{{nil, "Required value"}}},
	{path: "spec.gitlab.url",
		good: []any{
			"https://gitlab.example.com", "http://gitlab", "https://gitlab.example.com/", "https://gitlab.example.com:8443",
			"https://example.com/gitlab", "https://example.com/gitlab//", "HTTPS://GitLab.Example.com", "https://10.0.0.1",
			"https://[fd00::1]:8443", "https://gitlab.example.com:65535", "https://example.com/api", "https://example.com/api/v4you",
			"https://example.com/" + a(2048-20),
		},
		bad: []bad{
			{nil, "Required value"},
			{"", gitlabURL}, {"gitlab.example.com", gitlabURL}, {"gitlab.example.com:443", gitlabURL}, {"/gitlab", gitlabURL},
			{"ftp://gitlab.example.com", gitlabURL}, {"https://", gitlabURL}, {"https:///gitlab", gitlabURL},
			{"https:gitlab.example.com", gitlabURL}, {"https://:443", gitlabURL}, {"https://[fd00::1", gitlabURL},
			{"https://gitlab.example.com:https", gitlabURL}, {"https://gitlab.example.com/%zz", gitlabURL},
			{"https://gítlab.example.com", gitlabHost}, {"https://a,b.example.com", gitlabHost},
			{"https://[fd00::1%25eth0]", gitlabHost}, {"https://[gitlab]", gitlabURL},
			{"https://gitlab.example.com:0", port}, {"https://gitlab.example.com:65536", port}, {"https://gitlab.example.com:443443", port},
			{" https://gitlab.example.com", whiteSpace}, {"https://gitlab.example.com\n", whiteSpace}, {"https://git lab", whiteSpace},
			{"https://gitlab.example.com\u00a0", whiteSpace},
			{"https://root:s3cret@gitlab.example.com", gitlabUser}, {"https://root@gitlab.example.com", gitlabUser}, {"git@gitlab.example.com", gitlabUser},
			{"https://root:s3cret@", gitlabUser}, {"https://root:%zz@gitlab.example.com", gitlabUser},
			{"https://gitlab.example.com?private_token=s3cret", gitlabQuery}, {"https://gitlab.example.com/#top", gitlabQuery}, {"https://gitlab.example.com?", gitlabQuery},
			{"https://gitlab.example.com/api/v4", gitlabAPI}, {"https://gitlab.example.com/gitlab/api/v4/", gitlabAPI},
			{"https://gitlab.example.com/API/V4", gitlabAPI}, {"https://gitlab.example.com/api/v4/admin/clusters", gitlabAPI},
			{"https://example.com/" + a(2048-19), "Too long: may not be more than 2048 bytes"},
		}},

	{path: "spec.name",
		good: []any{"production", "Produktion Süd / 2", "クラスタ", a(2048), strings.Repeat("ä", 2048)},
		bad: []bad{
			{"", "must not be empty; leave it out to have the cluster named like this object"},
			{" ", trimmed}, {" production", trimmed}, {"production\n", trimmed}, {"\u00a0", trimmed},
			{a(2049), "Too long: may not be more than 2048 bytes"},
		}},
	{path: "spec.environmentScope",
		good: []any{"*", "production/*", "review/${CI_COMMIT_REF_SLUG}", "Prod 1.x-y_z", a(255)},
		bad: []bad{
			{"", `must not be empty; write "*" or leave it out for every environment`},
			{" ", trimmed}, {" production", trimmed}, {"production\t", trimmed},
			{"prod#1", scopeCharset}, {"prodüktion", scopeCharset}, {"a\tb", scopeCharset}, {"a\nb", scopeCharset}, {"[a-z]", scopeCharset}, {"a?", scopeCharset}, {`a\b`, scopeCharset}, {"a,b", scopeCharset},
			{a(256), "Too long: may not be more than 255 bytes"},
		}},
	{path: "spec.domain",
		good: []any{"", "ex.com", "EX.com", "localhost", "1.2.3.4", "123", "a-b.c--d", a(63) + ".com", labels255},
		bad: []bad{
			{"*.ex.com", domainCharset}, {"a_b.com", domainCharset}, {"a b.com", domainCharset}, {" a.com", domainCharset}, {"a.com\n", domainCharset}, {" ", domainCharset},
			{"a.com:80", domainCharset}, {"http://a.com", domainCharset}, {"é.com", domainCharset},
			{"-a.com", domainHyphen}, {"a-.com", domainHyphen}, {"a.-b", domainHyphen}, {"a.b-", domainHyphen}, {"-", domainHyphen},
			{"a..b", domainDots}, {".a", domainDots},
			{"a.com.", domainEnd}, {".", domainEnd},
			{a(64), domainLabel}, {"a." + a(64) + ".com", domainLabel},
			{labels255 + "a", "Too long: may not be more than 255 bytes"},
		}},
	{path: "spec.managementProjectID",
		good: []any{int64(1), int64(9007199254740993)},
		bad: []bad{
			{int64(0), "must be the id of a project, 1 or more; leave it out for no management project"},
			{int64(-1), "must be the id of a project, 1 or more; leave it out for no management project"},
			{"42", `Type: must be of type integer: "string"`},
		}},
	{path: "spec.enabled", good: []any{true, false}, bad: []bad{{"yes", `Type: must be of type boolean: "string"`}}},
	{path: "spec.managed", good: []any{true, false}, bad: []bad{{"yes", `Type: must be of type boolean: "string"`}}},
	{path: "spec.namespacePerEnvironment", good: []any{true, false}, bad: []bad{{"yes", `Type: must be of type boolean: "string"`}}},
	{path: "spec.suspend", good: []any{true, false}, bad: []bad{{"yes", `Type: must be of type boolean: "string"`}}},

	{path: "spec.kubernetes", bad: []bad{{nil, "Required value"}}},
	{path: "spec.kubernetes.apiURL",
		good: []any{
			"https://k8s.example.com:6443", "http://k8s", "https://rancher.example.com/k8s/clusters/c-1", "https://k8s.example.com/", "https://K8S.Example.com",
			"https://10.0.0.1:6443", "https://[fd00::1]:6443", "https://[::1]", "https://ünicode.example.com",
			"https://" + a(1024), "https://k8s.example.com/" + a(2048-24),
		},
		bad: []bad{
			{nil, "Required value"},
			{"", apiURL}, {"k8s.example.com", apiURL}, {"k8s.example.com:6443", apiURL}, {"/k8s", apiURL}, {"tcp://k8s.example.com", apiURL},
			{"https://", apiURL}, {"HTTPS://k8s.example.com", apiURL}, {"https://:6443", apiURL}, {"https:k8s", apiURL}, {"https://k8s:api", apiURL},
			{"https://k8s:0", port}, {"https://k8s:65536", port}, {"https://k8s:064430000", port},
			{"https://k8s.example.com ", whiteSpace}, {"\thttps://k8s", whiteSpace}, {"https://k8s/a b", whiteSpace},
			{"https://admin:s3cret@k8s.example.com", apiUser}, {"https://admin@k8s.example.com", apiUser},
			{"https://k8s.example.com?token=s3cret", apiQuery}, {"https://k8s.example.com#x", apiQuery},
			{"https://-k8s.example.com", apiHost}, {"https://_k8s", apiHost}, {"https://.k8s", apiHost},
			{"https://[fd00::1%25eth0]:6443", apiHost}, {"https://" + a(1025), longHost},
			{"https://k8s.example.com/" + a(2048-23), "Too long: may not be more than 2048 bytes"},
		}},
	{path: "spec.kubernetes.namespace", with: fields{"spec.managed": false},
		good: []any{"", "deploys", "1st", "a", "a-b", a(63)},
		bad: []bad{
			{"Deploys", namespaceCase}, {"deployS", namespaceCase},
			{"-deploys", namespaceFormat}, {"deploys-", namespaceFormat}, {"a.b", namespaceFormat}, {"a_b", namespaceFormat}, {" deploys", namespaceFormat}, {"deploys ", namespaceFormat}, {" ", namespaceFormat}, {"é", namespaceFormat},
			{"gitlab-managed-apps", namespaceReserved},
			{a(64), "Too long: may not be more than 63 bytes"},
		}},
	{path: "spec.kubernetes.namespace", with: fields{"spec.managed": true}, good: []any{""}, bad: []bad{{"deploys", namespaceManaged}}},
	{path: "spec.kubernetes.namespace", with: fields{"spec.managed": nil}, good: []any{""}, bad: []bad{{"deploys", namespaceManaged}}},
	{path: "spec.kubernetes.authorizationType",
		good: []any{"rbac", "abac", "unknown_authorization"},
		bad: []bad{
			{"", `Unsupported value: "": supported values: "rbac", "abac", "unknown_authorization"`},
			{"RBAC", `Unsupported value: "RBAC": supported values: "rbac", "abac", "unknown_authorization"`},
		}},

	{path: "spec.clusterID",
		good: []any{int64(1), int64(9)},
		bad: []bad{
			{int64(0), "must be the id of a cluster in GitLab, 1 or more; leave it out to add a new cluster"},
			{int64(-9), "must be the id of a cluster in GitLab, 1 or more; leave it out to add a new cluster"},
		}},
	{path: "spec.adoptionPolicy", good: []any{"Never", "Matching"},
		bad: []bad{{"Always", `Unsupported value: "Always": supported values: "Never", "Matching"`}}},
	{path: "spec.deletionPolicy", good: []any{"Delete", "Orphan"},
		bad: []bad{{"Retain", `Unsupported value: "Retain": supported values: "Delete", "Orphan"`}}},
	{path: "spec.driftPolicy", good: []any{"Correct", "Report"},
		bad: []bad{{"correct", `Unsupported value: "correct": supported values: "Correct", "Report"`}}},
}, secretRules(map[string]bool{
	"spec.gitlab.tokenSecretRef": true, "spec.gitlab.caSecretRef": false,
	"spec.kubernetes.tokenSecretRef": true, "spec.kubernetes.caSecretRef": false,
})...)

// secretRules are the same for each reference to a Secret; the value says whether the reference itself is required.
func secretRules(refs map[string]bool) (all []rule) {
	for path, required := range refs {
		reference := rule{path: path,
			good: []any{map[string]any{"name": "a"}},
			bad:  []bad{{"gitlab-admin", `Type: must be of type object: "string"`}},
		}
		if required {
			reference.bad = append(reference.bad, bad{nil, "Required value"})
		}
		all = append(all, reference,
			rule{path: path + ".name", with: fields{path + ".key": "k"},
				good: []any{"a", "gitlab-admin", "a.b-c.1", "0", a(253)},
				bad: []bad{
					{nil, "Required value"},
					{"", secretName}, {" ", secretName}, {"Gitlab", secretName}, {"a_b", secretName}, {"-a", secretName}, {"a-", secretName},
					{"a..b", secretName}, {".a", secretName}, {"a.", secretName}, {"ns/a", secretName}, {"a\n", secretName},
					{a(254), "Too long: may not be more than 253 bytes"},
				}},
			rule{path: path + ".key", with: fields{path + ".name": "n"},
				good: []any{"token", "ca.crt", "TLS_1-x", ".hidden", a(253)},
				bad: []bad{
					{"", secretKey}, {" ", secretKey}, {"a b", secretKey}, {"a/b", secretKey}, {".", secretKey}, {"..", secretKey}, {"..a", secretKey}, {"a\n", secretKey}, {"ä", secretKey},
					{a(254), "Too long: may not be more than 253 bytes"},
				}})
	}
	return all
}
