{{- define "paralleljob.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}-operator
{{- end }}

{{- define "paralleljob.selector" -}}
app.kubernetes.io/name: paralleljob-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "paralleljob.labels" -}}
{{ include "paralleljob.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* (list image appVersion) */ -}}
{{- define "paralleljob.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 1) }}
{{- end }}
{{- end }}
