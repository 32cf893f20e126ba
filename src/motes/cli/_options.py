"""Options that several commands share: their help texts and groups.

Used as ``at: Annotated[int | None, AT] = None``; the command chooses the type and the default.
"""

import typer

POINTS, FRAMES = "Points", "Frames"
MODEL, OUTPUT = "Model and machine", "Output"
"""Groups of options in the help."""

VIDEO = typer.Argument(help="A video file, a folder of images, a glob or a URL.")

GRID = typer.Option(help="N x N points, evenly spread.  (default: 20)", rich_help_panel=POINTS)
POINT_LIST = typer.Option(
    "--points", help='"x,y;x,y" or "t,x,y;t,x,y", in pixels.', rich_help_panel=POINTS
)
QUERIES = typer.Option(
    help="CSV file with the columns t, x, y and, optionally, name.", rich_help_panel=POINTS
)
CORNERS = typer.Option(
    "--corners", "--keypoints", help="The N strongest corners.", rich_help_panel=POINTS
)
DENSE = typer.Option(help="Every pixel (1), every 2nd (2), ...", rich_help_panel=POINTS)
MASK = typer.Option(help="Image; only points where it is not 0.", rich_help_panel=POINTS)
AT = typer.Option(help="Frame of the points.  (default: the first)", rich_help_panel=POINTS)

START = typer.Option(help="First frame.", min=0, rich_help_panel=FRAMES)
END = typer.Option(help="Frame to stop before.", rich_help_panel=FRAMES)
BACKWARD = typer.Option(
    help="Also track from each point towards the start.", rich_help_panel=FRAMES
)

MODEL_NAME = typer.Option(
    "--model", help="Name of a model; see: motes models.", rich_help_panel=MODEL
)
WEIGHTS = typer.Option(
    help="Checkpoint file, instead of the model's own weights.", rich_help_panel=MODEL
)
DEVICE = typer.Option(
    help="cpu, cuda, cuda:1, ...  (default: a GPU if there is one)", rich_help_panel=MODEL
)
DTYPE = typer.Option(help="Number type: $dtypes.", rich_help_panel=MODEL)
RUNTIME = typer.Option(
    help="Library that runs the networks: $runtimes; for onnx, --weights is a folder that motes "
    "export-model wrote.",
    rich_help_panel=MODEL,
)
MEMORY = typer.Option(
    help="Memory that tracking may use, such as 2G.  (default: a share of what is free)",
    rich_help_panel=MODEL,
)

COLOR = typer.Option(help="One of $colors, or one colour as '#ff8800'.")
WIDTH = typer.Option(help="Width of the trails in pixels.  (default: by the size of the video)")
OPACITY = typer.Option(help="Opacity of the drawing, up to 1.")
BACKGROUND = typer.Option(help="One of $backgrounds.")
HIDDEN = typer.Option(help="Draw hidden points, as rings.")
"""Fields of `motes.rendering.Style`."""

PICTURE_OUTPUT = typer.Option("--output", "-o", help="File to write: .mp4, .gif or FOLDER/.")
"""The output of the editing commands."""
