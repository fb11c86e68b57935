# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts have told, as a page, a JSON file and metrics. All of it is in plugins/action/trust_report.py."""

DOCUMENTATION = r"""
module: trust_report
short_description: Write what hosts have told of their trust as a page, a JSON file and metrics
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Puts together what other modules have told in earlier tasks, and writes it on the controller.
  - The page is one HTML file that needs nothing else. It shows the state of all hosts, what ends when, chains as trees,
    and what to do about each finding.
  - The role P(fleetpki.host_trust.trust_report#role) gathers what it needs.
options:
  html:
    description:
      - The page. At least one of O(html), O(json) and O(prometheus) is to be given, each as an absolute path on the
        controller. Folders are made if need be, and all files are replaced at once.
    type: path
  json:
    description:
      - The same as JSON, as U(https://github.com/fleetpki/host_trust/blob/main/docs/report.schema.json) says.
    type: path
  prometheus:
    description:
      - Metrics in the text format that the textfile collector of Prometheus' node_exporter reads.
    type: path
  hosts:
    description:
      - The hosts that are reported on. The default is all hosts of the play, with those that were not reached.
    type: list
    elements: str
  variables:
    description:
      - The names of the variables in which each host's results were registered. A host that has none of them appears as
        one that could not be looked at.
    type: dict
    required: true
    suboptions:
      trust:
        description: The result of M(fleetpki.host_trust.ca_trust_info).
        type: str
      wanted:
        description: The result of M(fleetpki.host_trust.ca_trust_anchor) in check mode, with what is wanted.
        type: str
      certificates:
        description:
          - The result of M(fleetpki.host_trust.cert_verify) with
            O(fleetpki.host_trust.cert_verify#module:fail_on_error=false).
        type: str
      endpoints:
        description: The result of M(fleetpki.host_trust.tls_endpoint_info).
        type: str
  title:
    description:
      - The title of the page.
    type: str
    default: Trust report
  certificates_remaining:
    description:
      - A certificate that is valid for less is a finding.
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
    default: 30d
  anchors_remaining:
    description:
      - An anchor that is valid for less is a finding.
    type: str
    default: 180d
  mode:
    description:
      - The mode of files that are not there yet, as an octal number in quotes. Others keep theirs, but for what this
        one does not let everybody do.
    type: raw
    default: '0644'
notes:
  - It is run once for all hosts, with C(run_once), after all of them were asked. With the strategy C(free) that takes a
    play of its own.
seealso:
  - module: fleetpki.host_trust.ca_trust_info
  - module: fleetpki.host_trust.cert_verify
  - module: fleetpki.host_trust.tls_endpoint_info
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: none
    description: The files are too large for that.
  idempotent:
    support: none
    description: Each run writes the files anew, for the time is in them.
  platform:
    support: full
    platforms: posix
    description: It runs on the controller.
"""

EXAMPLES = r"""
- name: Look at the trust store
  fleetpki.host_trust.ca_trust_info:
  register: corp_trust
  ignore_errors: true
  ignore_unreachable: true

- name: Write a page about it
  fleetpki.host_trust.trust_report:
    html: /srv/report/report.html
    variables:
      trust: corp_trust
  run_once: true
"""

RETURN = r"""
msg:
  description: How many hosts there are, and findings by how much they matter.
  returned: success
  type: str
  sample: "12 hosts, 1 not reached; findings: 2 critical, 3 warning"
files:
  description: What was written. C(changed) is true where one of them differs in more than the time of the report.
  returned: success
  type: list
  elements: str
  sample: [/srv/report/report.html]
counts:
  description: What is in it, by number.
  returned: success
  type: dict
  sample:
    anchors: 3
    certificates: {all: 11, verified: 10}
    endpoints: 0
    findings: {critical: 2, notice: 0, warning: 3}
    hosts: {all: 12, failed: 0, ok: 11, unreachable: 1}
"""
