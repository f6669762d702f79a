#!/usr/bin/env bash
# Writes prometheus-rule.yaml: the rules of deploy/prometheus as the Prometheus Operator wants them. A test holds it current.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
{
  cat <<'HEAD'
# Written by build.sh from ../../../prometheus/vestibule.rules.yml; change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: vestibule
spec:
HEAD
  sed -e '/^#/d' -e 's/^./  &/' ../../../prometheus/vestibule.rules.yml
} >prometheus-rule.yaml
