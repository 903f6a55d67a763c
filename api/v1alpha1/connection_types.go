// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// TokenSecretRef names one key of a Secret in the object's namespace that holds a token.
type TokenSecretRef struct {
	// Name of the Secret. It is looked up in the namespace of this object and nowhere else.
	// At most 253 characters.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, not empty"
	Name string `json:"name"`
	// Key in the Secret's data under which the token stands. Defaults to "token", the key that Secrets of type
	// kubernetes.io/service-account-token have. White space around the token is ignored; a token inside the value
	// that is base64-encoded once more is refused. At most 253 characters.
	// +optional
	// +kubebuilder:default=token
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')`,message="must be a key of a Secret: letters, digits, '-', '_' and '.', not '.' and not beginning with '..'; leave it out for the default"
	Key string `json:"key,omitempty"`
}

// CASecretRef names one key of a Secret in the object's namespace that holds PEM certificates.
type CASecretRef struct {
	// Name of the Secret. It is looked up in the namespace of this object and nowhere else.
	// At most 253 characters.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, not empty"
	Name string `json:"name"`
	// Key in the Secret's data under which the certificates stand, as PEM; a bundle of several is fine. Defaults to
	// "ca.crt", the key that Secrets of type kubernetes.io/service-account-token have. A value that holds a private
	// key, or is base64-encoded once more, is refused. At most 253 characters.
	// +optional
	// +kubebuilder:default=ca.crt
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')`,message="must be a key of a Secret: letters, digits, '-', '_' and '.', not '.' and not beginning with '..'; leave it out for the default"
	Key string `json:"key,omitempty"`
}

// GitLabConnection says which GitLab, and with which rights.
type GitLabConnection struct {
	// URL of GitLab as a browser shows it, http or https, with its path if GitLab is installed under one, and without
	// /api/v4. A slash at the end makes no difference. Redirects are not followed, so name the final address. Over
	// http the access token crosses the network in the clear. If it changes, the new address must show the cluster that
	// is already recorded. At most 2048 characters.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\s\pZ]')`,message="must not contain white space; remove it, also at the beginning and the end"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('^([^/?#]*//)?[^/?#]*@')`,reason=FieldValueForbidden,message="must not contain a user name or password, because everybody who may read this object would see them; put the access token into the Secret that tokenSecretRef names"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('[?#]')`,reason=FieldValueForbidden,message="must not have a query ('?') or a fragment ('#'); write scheme, host and, if there is one, the path, like https://gitlab.example.com"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'[\s\pZ@?#]') || (isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '')`,message="must be an absolute URL with http:// or https:// and a host, like https://gitlab.example.com"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'[\s\pZ@?#]') || !isURL(self) || url(self).getHostname() == '' || self.matches(r'^[^/]*//([-a-zA-Z0-9._]+|\[[0-9a-fA-F:.]+\])(:|/|$)')`,message="must have a host of letters, digits, '-', '_' and '.', or an IP address; write other names in their xn-- form"
	// +kubebuilder:validation:XValidation:rule=`!isURL(self) || url(self).getPort() == '' || (size(url(self).getPort()) <= 5 && int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)`,message="must have a port from 1 to 65535, or none for the scheme's own"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('(?i)/api/v[0-9]+(/|$)')`,message="must not contain the API's path; write the address of GitLab without /api/v4, the operator adds it"
	URL string `json:"url"`
	// TokenSecretRef names the Secret with the access token that the operator uses: a personal access token of an
	// administrator with scope api, and also admin_mode where GitLab has Admin Mode on. A token changed in the Secret is
	// used at once and changes nothing in GitLab.
	// +required
	TokenSecretRef TokenSecretRef `json:"tokenSecretRef"`
	// CASecretRef names the Secret with certificate authorities to trust beside the system's when the operator talks
	// to GitLab. Left out, only the system's are trusted. There is no way to turn verification off.
	// +optional
	CASecretRef *CASecretRef `json:"caSecretRef,omitempty"`
}

// KubernetesPlatform says how GitLab reaches the cluster.
type KubernetesPlatform struct {
	// APIURL is the address of the cluster's API server as GitLab reaches it, http or https, with port and path where it
	// has them, like https://k8s.example.com:6443. GitLab keeps it letter by letter and does not check whether anything
	// answers there. GitLab refuses private and local addresses, and names that resolve to them, unless an administrator
	// of GitLab allows them. At most 2048 characters, the host at most 1024.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\s\pZ]')`,message="must not contain white space; remove it, also at the beginning and the end"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('^([^/?#]*//)?[^/?#]*@')`,reason=FieldValueForbidden,message="must not contain a user name or password, because everybody who may read this object would see them; put the cluster's token into the Secret that tokenSecretRef names"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('[?#]')`,reason=FieldValueForbidden,message="must not have a query ('?') or a fragment ('#'); write scheme, host, port and, if there is one, the path, like https://k8s.example.com:6443"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'[\s\pZ@?#]') || (isURL(self) && self.matches('^https?://') && url(self).getHostname() != '')`,message="must be an absolute URL with http:// or https://, in lower case, and a host, like https://k8s.example.com:6443"
	// +kubebuilder:validation:XValidation:rule=`!isURL(self) || url(self).getPort() == '' || (size(url(self).getPort()) <= 5 && int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)`,message="must have a port from 1 to 65535, or none for the scheme's own"
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'^[^/]*//([^\pL\pN\[:/@?#\s\pZ]|\[[^\]]*[^\]0-9a-fA-F:.])')`,message="must have a host that begins with a letter or a digit, or is an IP address; GitLab refuses others"
	// +kubebuilder:validation:XValidation:rule=`!isURL(self) || size(url(self).getHostname()) <= 1024`,message="must have a host of at most 1024 characters; GitLab refuses longer ones"
	APIURL string `json:"apiURL"`
	// TokenSecretRef names the Secret with the token that GitLab, and its CI jobs, use on the cluster: that of a service
	// account. A Secret of type kubernetes.io/service-account-token works as it is. A token changed in the Secret
	// is sent to GitLab at once; GitLab never gives it back, so that a token changed in GitLab cannot be noticed.
	// +required
	TokenSecretRef TokenSecretRef `json:"tokenSecretRef"`
	// CASecretRef names the Secret with the certificate authorities that GitLab shall trust when it talks to the API
	// server. GitLab stores them with the cluster. Left out, GitLab has none for it.
	// +optional
	CASecretRef *CASecretRef `json:"caSecretRef,omitempty"`
	// Namespace that the jobs of all projects deploy to. Only with managed: false, because GitLab takes none for an
	// instance cluster whose namespaces it manages. Left out or empty, GitLab has none and each project has its own.
	// Lower-case letters, digits and '-', at most 63 characters; gitlab-managed-apps is GitLab's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`!self.matches('[A-Z]')`,message="must be in lower case, as GitLab stores it; write it in lower case"
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)?$')`,message="must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	// +kubebuilder:validation:XValidation:rule=`self != 'gitlab-managed-apps'`,message="must not be gitlab-managed-apps, which GitLab keeps for itself; choose another namespace"
	Namespace string `json:"namespace,omitempty"`
	// AuthorizationType tells GitLab how the cluster authorizes: rbac, abac or unknown_authorization. Defaults to rbac.
	// GitLab takes it only when a cluster is added, so that it cannot be changed once status.clusterID is recorded,
	// except to what GitLab has while the object shows reason AuthorizationTypeMismatch.
	// +optional
	// +kubebuilder:default=rbac
	AuthorizationType AuthorizationType `json:"authorizationType,omitempty"`
}
