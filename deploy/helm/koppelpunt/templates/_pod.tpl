{{/* The pod of a process. Arguments: root, process. */}}
{{- define "koppelpunt.pod" -}}
{{- $values := index .root.Values .process -}}
{{- if eq (int64 (default 0 $values.port)) (int64 (default 0 $values.metricsPort)) -}}
{{- fail (printf "%s.port and %s.metricsPort are one port: the watchers' port is never the callers'." .process .process) -}}
{{- end -}}
{{- if eq "none" (toString (get (default dict $values.config) "DURABILITY")) -}}
{{- fail (printf "%s.config.DURABILITY: none is for the demo and tests; choose standby, or disk for one server." .process) -}}
{{- end -}}
metadata:
  labels:
    {{- include "koppelpunt.labels" . | nindent 4 }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "koppelpunt.fullname" .root }}
  automountServiceAccountToken: false
  # Else Kubernetes sets KOPPELPUNT_…_SERVICE_HOST, and a process refuses settings that it does not know.
  enableServiceLinks: false
  # Also after an exit with status 0: a process that ended by itself is one too few.
  restartPolicy: Always
  # Longer than all that a stop may take: balancers that learn of it, idle connections, running calls, their closing rows, and
  # what a process adds to that itself before it gives up (ten seconds). A default here is that of the setting.
  {{- $closing := 0 }}
  {{- if eq .process "gateway" }}
  {{- $closing = add (ceil (dig "DRAIN_IDLE_SECONDS" 2 $values.config)) (ceil (dig "CLOSE_TIMEOUT" 5 $values.config)) }}
  {{- end }}
  terminationGracePeriodSeconds: {{ add $values.preStopSeconds (ceil (default 5 $values.drainSeconds)) $closing 15 }}
  securityContext:
    {{- include "koppelpunt.podSecurity" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "koppelpunt.selector" $ | nindent 10 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .process }}
      image: {{ include "koppelpunt.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .process }}]
      env:
        {{- include "koppelpunt.environment" . | trim | nindent 8 }}
      ports:
        {{- if hasKey $values "port" }}
        - {name: https, containerPort: {{ $values.port }}, protocol: TCP}
        {{- end }}
        - {name: metrics, containerPort: {{ $values.metricsPort }}, protocol: TCP}
      # Touches neither PostgreSQL nor RvIG: a database that is away restarts nothing.
      livenessProbe:
        httpGet: {path: /live, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /ready, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      startupProbe:
        httpGet: {path: /live, port: metrics}
        periodSeconds: 2
        failureThreshold: 90
      {{- if $values.preStopSeconds }}
      # The pod is no longer ready from here on, but balancers learn that one by one: it accepts calls a while longer.
      # Only then SIGTERM: it stops listening, and lets running calls end within drainSeconds.
      lifecycle:
        preStop: {sleep: {seconds: {{ $values.preStopSeconds }}}}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "koppelpunt.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "koppelpunt.mounts" . | nindent 8 }}
  volumes:
    {{- include "koppelpunt.volumes" . | nindent 4 }}
{{- end -}}
