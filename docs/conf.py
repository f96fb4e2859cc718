"""Settings of the site; `python -m course.site` lays out the pages and calls Sphinx."""

import re
import sys
from pathlib import Path

import astroid

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course import stamp  # noqa: E402

project = "Transfer learning, three times over"
author = "the authors of the course"
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.napoleon",
    "autoapi.extension",
    "sphinx_copybutton",
    "sphinx_design",
]
templates_path, html_static_path = [], ["_static"]

nb_execution_mode = "off"  # outputs as committed
nb_merge_streams = True
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4

myst_heading_slug_func = "course.site.slug"

# Docstrings are read from the source, without a look into the packages that it imports.
for package in ("IPython", "PIL", "gensim", "google", "joblib", "keras", "librosa", "matplotlib",
                "numpy", "pandas", "pooch", "scipy", "sklearn", "tensorflow", "threadpoolctl",
                "tqdm"):
    astroid.parse("", package)
autoapi_dirs = [str(ROOT / "helpers")]
autoapi_generate_api_docs = False
suppress_warnings = ["autoapi.python_import_resolution"]
autoapi_member_order = "bysource"
autoapi_options = ["members", "undoc-members"]
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
default_role = "code"  # a name between single backticks
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_show_sphinx = False
html_domain_indices = html_use_index = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's computer has it
html_theme_options = {
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "use_fullscreen_button": False,
    "use_download_button": False,
    "navbar_persistent": [],  # the search stands in the sidebar
    "toc_title": "On this page",
}
if address := stamp.address():  # Colab and Binder need a public repository
    html_theme_options |= {
        "repository_url": address,
        "repository_branch": "main",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    }


def plain_names(app, what, name, found, options, signature, returned):
    """Names of types as a reader knows them."""

    def plain(text):
        return text and re.sub(r"helpers\.ready\.|collections\.abc\.|pathlib\.", "", text)

    return plain(signature), plain(returned)


def no_guests(app, what, name, found, skip, options):
    """Leave out what a module imports; a package shows what it offers of its modules."""
    module = ROOT / app.env.docname.rpartition("/")[2].replace(".", "/")
    return skip or (getattr(found, "imported", False) and not module.is_dir())


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", no_guests)
    app.connect("autodoc-process-signature", plain_names)
