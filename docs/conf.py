# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site, which `make docs` builds of the pages that can be read in the repository as well."""

import re

from docutils import nodes

project = "fleetpki.host_trust"
author = "fleetpki.host_trust contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["reference/environment_variables.rst"]  # there are none
nitpicky = True

myst_heading_anchors = 4  # links into pages, as GitHub has them
highlight_language = "text"  # of blocks that name none
pygments_style = "friendly"
pygments_dark_style = "monokai"

antsibull_ext_color_scheme = "none"  # site.css has it

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_title = "host_trust"
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "source_repository": "https://github.com/fleetpki/host_trust/",
    "source_branch": "main",
}

# Some pages are read on Galaxy, too, where only full addresses lead anywhere. In the site they lead to its own pages.
REPOSITORY = "https://github.com/fleetpki/host_trust/blob/main/"

# What the references of the modules refer to in Ansible's own documentation. The site is built without a network.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.copy_module": "collections/ansible/builtin/copy_module.html",
    "ansible_collections.ansible.builtin.copy_module__parameter-src":
        "collections/ansible/builtin/copy_module.html#parameter-src",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def stay_in_the_site(app, page, source):
    """Has links to the repository's files lead to those of the site."""
    source[0] = source[0].replace("](" + REPOSITORY, "](/")


def be_brief(app, page, source):
    """Takes from antsibull-docs' pages the contents, which the theme shows by itself, and names from long titles."""
    if page.startswith("reference/"):
        text = re.sub(r"^\.\. contents::\n(?: +:.*\n)+", "", source[0], flags=re.MULTILINE)
        text = re.sub(r"^fleetpki\.host_trust\.(\w+) (?:module|role|filter) --", r"\1 --", text, flags=re.MULTILINE)
        source[0] = text.replace("Fleetpki.Host_Trust\n===================", "Modules, roles and filters\n" + "=" * 26)


def lead_to_ansible(app, env, node, content):
    """What a reference to Ansible's documentation is; None for all others, which are errors."""
    page = LABELS.get(node["reftarget"])
    return page and nodes.reference("", "", content, refuri=ANSIBLE + page)


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", stay_in_the_site)
    app.connect("source-read", be_brief)
    app.connect("missing-reference", lead_to_ansible)
