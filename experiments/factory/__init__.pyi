from .directory import BuildDirectory as BuildDirectory, BuildHeader as BuildHeader
from .images import Images as Images
