"""Settings of Sphinx, which `make docs` calls. It fetches nothing: no inventories of other projects, no fonts."""

import fsptal_mm

project = 'fsptal_mm'
author = 'The fsptal_mm authors'
release = fsptal_mm.__version__

extensions = [
    'myst_parser',  # pages in Markdown, which can be read on GitHub, too
    'sphinx.ext.autodoc',  # API pages from docstrings
    'sphinx.ext.napoleon',  # docstrings in Google's style
    'sphinx_copybutton',  # a button that copies a block of code
]
myst_heading_anchors = 3  # `page.md#heading`, with the anchors that GitHub makes

autodoc_member_order = 'groupwise'
autodoc_typehints = 'description'  # types of annotations stand with the arguments
autodoc_typehints_description_target = 'documented_params'
napoleon_use_ivar = True  # attributes as a list: those that are properties have an entry of their own
napoleon_use_rtype = False  # a type stands before the description of what is returned
python_maximum_signature_line_length = 90

# Every other reference has to resolve. These would need the inventories of other projects.
nitpicky = True
nitpick_ignore_regex = [
    ('py:.*', r'(?!fsptal_mm\.)[a-z]\w*\..*'),
    ('py:class', 'ActionDataSample|Config|Figure|Path|Tensor'),
    ('py:class', 'optional'),  # in `name (type, optional):`
    # Made and read by the package alone
    (
        'py:class',
        r'(.*\.)?(BackTALOutputs|ClipGrid|DELUOutputs|SecondStage|SegmentResult|PointResult|TrainingLog)',
    ),
    ('py:class', r'(.*\.)?(VideoFile|VideoReader|_Result)'),
    ('py:class', r'fsptal_mm\.annotator\.labels\.LabelledVideo'),
]

html_theme = 'furo'
html_title = 'fsptal_mm'
html_static_path = ['_static']
html_css_files = ['style.css']
html_show_sourcelink = False
html_copy_source = False
toc_object_entries_show_parents = 'hide'


def skip_fields_of_named_tuples(app, what, name, member, skip, options):
    """Leave out "Alias for field number 0"; the docstring of the class says what a field is."""
    return True if type(member).__name__ == '_tuplegetter' else None


def setup(app):
    app.connect('autodoc-skip-member', skip_fields_of_named_tuples)
