{{- define "koppelpunt.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "koppelpunt.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* Arguments of the helpers below: a dict of root (the chart's context) and process (gateway, tenants, sealer, migrate). */}}
{{- define "koppelpunt.selector" -}}
app.kubernetes.io/name: koppelpunt
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .process }}
{{- end -}}

{{- define "koppelpunt.labels" -}}
{{ include "koppelpunt.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A value of a setting as the environment has it. Helm reads every number as a float. */}}
{{- define "koppelpunt.text" -}}
{{- if kindIs "slice" . -}}
{{ join "," . }}
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%d" (int64 .) }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{ toString . }}
{{- end -}}
{{- end -}}

{{/* Peers and ports of one purpose; nothing when it has no peers. */}}
{{- define "koppelpunt.egress" -}}
{{- if .to }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- $protocols := default (list "TCP") .protocols }}
    {{- range $port := .ports }}
    {{- range $protocols }}
    - {port: {{ $port }}, protocol: {{ . }}}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "koppelpunt.egressOfAll" -}}
{{- if not .root.Values.networkPolicy.postgresql.to }}
{{- fail "networkPolicy.postgresql.to: name the peers of PostgreSQL, or no process reaches it" }}
{{- end }}
{{- include "koppelpunt.egress" .root.Values.networkPolicy.postgresql }}
- to:
    {{- toYaml .root.Values.networkPolicy.dns.to | nindent 4 }}
  ports:
    {{- range .root.Values.networkPolicy.dns.ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{- define "koppelpunt.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "koppelpunt.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}
