{{- define "understudy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "understudy.fullname" -}}
{{- $name := include "understudy.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "understudy.selector" -}}
app.kubernetes.io/name: {{ include "understudy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "understudy.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "understudy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "understudy.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "understudy.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "understudy.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* understudy.yaml, with the addresses that the pod's ports and probes count on. */ -}}
{{- define "understudy.config" -}}
{{- $labels := get (dig "upstream" "url" "" .Values.config | urlParse) "host" | splitList ":" | first | splitList "." -}}
{{- $here := or (eq (len $labels) 1) (eq (slice $labels 1 | first) .Release.Namespace) -}}
{{- if and .Values.takeOver.enabled $here (eq (first $labels) .Values.takeOver.name) -}}
{{- fail (printf "config.upstream.url names the Service %s, which takeOver points at this release: it would ask itself" .Values.takeOver.name) -}}
{{- end -}}
{{- $addresses := dict "listen" "0.0.0.0:3000" "admin" "0.0.0.0:3001" -}}
{{- toYaml (merge $addresses .Values.config) -}}
{{- end -}}

{{- /* The part of the configuration that is read at the start only, and the variables, which are too. */ -}}
{{- define "understudy.needsRestart" -}}
{{- $config := omit .Values.config "upstream" "defaults" "tables" "functions" "compare" "readiness" "guard" "redact" "log" "console" -}}
{{- dict "config" $config "env" .Values.postgrest.env "secret" .Values.postgrest.secret | toJson | sha256sum -}}
{{- end -}}

{{- /* A value as text; numbers as they were written, since Helm would make 1e+06 of 1000000. */ -}}
{{- define "understudy.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "understudy.env" -}}
{{- with .Values.postgrest }}
{{- if or .envFrom .secret }}
envFrom:
  {{- with .envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .secret }}
  - secretRef:
      name: {{ include "understudy.fullname" $ }}
  {{- end }}
{{- end }}
{{- end }}
{{- if or .Values.postgrest.env .Values.extraEnv }}
env:
  {{- range $name, $value := .Values.postgrest.env }}
  - name: {{ $name }}
    value: {{ include "understudy.text" $value | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "understudy.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "understudy.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "understudy.volumeMounts" -}}
- name: config
  mountPath: /etc/understudy
  readOnly: true
- name: data
  mountPath: /var/lib/understudy
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "understudy.volumes" -}}
- name: config
  configMap:
    name: {{ include "understudy.fullname" . }}
- name: data
  emptyDir: {}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
