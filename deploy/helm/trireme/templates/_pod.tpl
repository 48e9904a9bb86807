{{- /* The pod, the same for both stores but for where the state is. */ -}}
{{- define "trireme.pod" -}}
metadata:
  labels:
    {{- include "trireme.labels" . | nindent 4 }}
  annotations:
    # A changed configuration makes new pods, one after another.
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  # It asks nothing of the cluster.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add .Values.preStopSeconds .Values.drainSeconds 15 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    # Always would open the files of the store to the group at every start.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: trireme
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      ports:
        - { name: http, containerPort: 8080, protocol: TCP }
      env:
        - { name: TRIREME_LISTEN, value: "0.0.0.0:8080" }
        - { name: TRIREME_CONFIG, value: /etc/trireme/trireme.yaml }
        # A folder of its own in the volume, because the volume's own belongs to root.
        - { name: TRIREME_DATA, value: /var/lib/trireme/data }
        - { name: TRIREME_DRAIN, value: {{ printf "%ds" (int .Values.drainSeconds) | quote }} }
        - { name: TRIREME_LOG_FORM, value: json }
        # Large downloads of sources wait there.
        - { name: TMPDIR, value: /tmp }
        {{- $secret := required "existingSecret has to name a Secret with master-key and admin-key (and store, with postgres)" .Values.existingSecret }}
        - name: TRIREME_MASTER_KEY
          valueFrom: { secretKeyRef: { name: {{ $secret }}, key: master-key } }
        - name: TRIREME_ADMIN_KEY
          valueFrom: { secretKeyRef: { name: {{ $secret }}, key: admin-key } }
        {{- if eq .Values.store "postgres" }}
        - name: TRIREME_STORE
          valueFrom: { secretKeyRef: { name: {{ $secret }}, key: store } }
        # A store of another cluster, named by mistake, is refused.
        - { name: TRIREME_CLUSTER, value: {{ .Values.cluster | default (printf "%s/%s" .Release.Namespace .Release.Name) | quote }} }
        # All pods have the one file of this release: a pod of a newer one makes it the one that counts.
        - { name: TRIREME_APPLY, value: "true" }
        {{- end }}
      {{- with .Values.configSecrets }}
      envFrom:
        {{- range . }}
        - secretRef: { name: {{ . }} }
        {{- end }}
      {{- end }}
      # Until it has started the others wait: a store that was not closed in order reads its log first, and that of an older
      # release is brought up to date. To stop it in the middle would have it begin anew, so it has an hour.
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 1800
      # A database that is away makes it unready, not dead: a restart would mend nothing.
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        # Longer than it waits for its store.
        timeoutSeconds: 3
        failureThreshold: 2
      lifecycle:
        preStop: { exec: { command: ["/bin/sleep", {{ .Values.preStopSeconds | toString | quote }}] } }
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: config, mountPath: /etc/trireme, readOnly: true }
        - { name: data, mountPath: /var/lib/trireme }
        - { name: downloads, mountPath: /tmp }
  volumes:
    - name: config
      configMap: { name: {{ include "trireme.name" . }} }
    - name: downloads
      emptyDir: { sizeLimit: {{ .Values.downloads.size | quote }} }
    {{- if eq .Values.store "postgres" }}
    # Locks and a socket; the state is in the database.
    - name: data
      emptyDir: { sizeLimit: 64Mi }
    {{- end }}
  {{- if eq .Values.store "postgres" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "trireme.selector" . | nindent 10 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
