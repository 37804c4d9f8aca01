{{/* The environment of a process. What the chart itself decides comes first, and the schema refuses it in config. */}}
{{- define "koppelpunt.environment" -}}
{{- $values := index .root.Values .process -}}
{{- $address := .root.Values.listenAddress -}}
{{- if hasKey $values "port" }}
- {name: KOPPELPUNT_BIND, value: "{{ $address }}:{{ $values.port }}"}
- {name: KOPPELPUNT_CERTIFICATE_FILE, value: /run/koppelpunt/tls/tls.crt}
- {name: KOPPELPUNT_KEY_FILE, value: /run/koppelpunt/tls/tls.key}
{{- end }}
- {name: KOPPELPUNT_METRICS_BIND, value: "{{ $address }}:{{ $values.metricsPort }}"}
{{- if hasKey $values "drainSeconds" }}
- {name: KOPPELPUNT_DRAIN_SECONDS, value: {{ include "koppelpunt.text" $values.drainSeconds | quote }}}
{{- end }}
{{- if eq .process "gateway" }}
- name: KOPPELPUNT_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- range $name, $value := $values.config }}
- {name: KOPPELPUNT_{{ $name }}, value: {{ include "koppelpunt.text" $value | quote }}}
{{- end }}
{{- range $name, $key := $values.secretFiles }}
- {name: KOPPELPUNT_{{ $name }}, value: {{ printf "/run/koppelpunt/secret/%s" $key | quote }}}
{{- end }}
{{- range $name, $key := $values.configFiles }}
- {name: KOPPELPUNT_{{ $name }}, value: {{ printf "/run/koppelpunt/config/%s" $key | quote }}}
{{- end }}
{{- range $name, $claim := $values.volumes }}
- {name: KOPPELPUNT_{{ $name }}, value: {{ printf "/var/lib/koppelpunt/%s" (lower $name | replace "_" "-") | quote }}}
{{- end }}
{{- end -}}

{{- define "koppelpunt.mounts" -}}
{{- $values := index .root.Values .process -}}
- {name: tmp, mountPath: /tmp}
- {name: secret, mountPath: /run/koppelpunt/secret, readOnly: true}
{{- if hasKey $values "tls" }}
- {name: tls, mountPath: /run/koppelpunt/tls, readOnly: true}
{{- end }}
{{- if $values.existingConfigMap }}
- {name: config, mountPath: /run/koppelpunt/config, readOnly: true}
{{- end }}
{{- range $name, $claim := $values.volumes }}
- {name: {{ lower $name | replace "_" "-" }}, mountPath: {{ printf "/var/lib/koppelpunt/%s" (lower $name | replace "_" "-") | quote }}}
{{- end }}
{{- end -}}

{{- define "koppelpunt.volumes" -}}
{{- $values := index .root.Values .process -}}
# In memory: what a process writes for a moment (a letter) touches no disk.
- {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
- name: secret
  secret:
    secretName: {{ $values.existingSecret | quote }}
    defaultMode: 0440
    # What no setting names is not in the pod.
    items:
      {{- range $key := values $values.secretFiles | uniq | sortAlpha }}
      - {key: {{ $key | quote }}, path: {{ $key | quote }}}
      {{- end }}
{{- if hasKey $values "tls" }}
- name: tls
  secret: {secretName: {{ $values.tls.existingSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- if $values.existingConfigMap }}
- name: config
  configMap: {name: {{ $values.existingConfigMap | quote }}}
{{- else if $values.configFiles }}
{{- fail (printf "%s.configFiles: name the ConfigMap in %s.existingConfigMap" .process .process) }}
{{- end }}
{{- range $name, $claim := $values.volumes }}
- name: {{ lower $name | replace "_" "-" }}
  persistentVolumeClaim: {claimName: {{ $claim | quote }}}
{{- end }}
{{- end -}}
