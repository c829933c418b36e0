"""`SampleData`: sample data sets that modules register, and how they are fetched and loaded.

Covers `SampleDataLogic.registerCustomSampleDataSource`, `sampleDataSourcesByCategory`, `sourceForSampleName`,
`downloadSample`, `downloadSamples` and `downloadFromSource`, for https, file:// and plain paths; files that are on this
computer are read where they are. The registry is `slicer.modules.sampleDataSources`, as in Slicer. Not covered:
Slicer's own data sets, progress and the SampleData module's panel; a thumbnail is only remembered.
"""

from __future__ import annotations

import logging
import types
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer
import slicer.util

_SCENE_ENDINGS = (".mrb", ".mrml")
_UNLOADED_ENDINGS = (".zip",)


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class SampleDataSource:
    """One data set: where its files are and how they are loaded."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: str | Sequence[str] | None = None,
        fileNames: str | Sequence[str | None] | None = None,
        nodeNames: str | Sequence[str | None] | None = None,
        checksums: str | Sequence[str | None] | None = None,
        loadFiles: bool | Sequence[bool | None] | None = None,
        customDownloader: Callable[[SampleDataSource], Any] | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: str | Sequence[str | None] | None = None,
        loadFileProperties: dict | None = None,
    ) -> None:
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.uris = [] if uris is None else _as_list(uris)
        self.fileNames = self._one_each(fileNames)
        self.nodeNames = self._one_each(nodeNames)
        self.checksums = self._one_each(checksums)
        self.loadFiles = self._one_each(loadFiles)
        self.loadFileTypes = self._one_each(loadFileTypes)
        self.loadFileProperties = dict(loadFileProperties or {})
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName

    def _one_each(self, value: Any) -> list:
        values = [None] * len(self.uris) if value is None else _as_list(value)
        if len(values) != len(self.uris):
            raise ValueError(f"{self.sampleName}: {len(values)} values for {len(self.uris)} uris")
        return values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleDataSource) and vars(self) == vars(other)

    __hash__ = None


class SampleDataLogic:
    """Registers, fetches and loads sample data."""

    def __init__(self, logMessage: Callable[..., None] | None = None) -> None:
        if logMessage is not None:
            self.logMessage = logMessage

    def logMessage(self, message: str, logLevel: int = logging.INFO) -> None:
        logging.log(logLevel, message)

    # -- the registry

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", loadFileType: Any = None, **named: Any) -> None:
        """Takes SampleDataSource's arguments; registering the same again changes nothing."""
        if loadFileType is not None:
            named.setdefault("loadFileTypes", loadFileType)
        source = SampleDataSource(**named)
        if not SampleDataLogic.isSampleDataSourceRegistered(category, source):
            SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, []).append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None):
        sources = slicer.modules.__dict__.setdefault("sampleDataSources", {})
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def isSampleDataSourceRegistered(category: str, sampleDataSource: SampleDataSource) -> bool:
        return sampleDataSource in SampleDataLogic.sampleDataSourcesByCategory(category)

    @staticmethod
    def sourceForSampleName(sampleName: str) -> SampleDataSource | None:
        for sources in SampleDataLogic.sampleDataSourcesByCategory().values():
            for source in sources:
                if source.sampleName == sampleName:
                    return source
        return None

    # -- fetching and loading

    def downloadSample(self, sampleName: str):
        """The first node of a data set, loaded."""
        return next(iter(self.downloadSamples(sampleName)), None)

    def downloadSamples(self, sampleName: str) -> list:
        source = self.sourceForSampleName(sampleName)
        if source is None:
            raise ValueError(f'no sample data is registered as "{sampleName}"')
        return self.downloadFromSource(source)

    def downloadFromSource(self, source: SampleDataSource, maximumAttemptsCount: int = 3) -> list:
        """The nodes of a data set; a file that is not to be loaded gives its path."""
        if source.customDownloader is not None:
            return _as_list(source.customDownloader(source))
        return [self._fetched_and_loaded(source, index) for index in range(len(source.uris))]

    def _fetched_and_loaded(self, source: SampleDataSource, index: int):
        path = self._fetched(source, index)
        wanted = source.loadFiles[index]
        if wanted is False or (wanted is None and path.suffix in _UNLOADED_ENDINGS):
            return str(path)
        self.logMessage(f"Loading {path.name}")
        if path.suffix in _SCENE_ENDINGS and source.loadFileTypes[index] in (None, "SceneFile"):
            return slicer.util.loadScene(str(path), {})
        properties = dict(source.loadFileProperties)
        if source.nodeNames[index]:
            properties["name"] = source.nodeNames[index]
        return slicer.util.loadNodeFromFile(str(path), source.loadFileTypes[index], properties)

    def _fetched(self, source: SampleDataSource, index: int) -> Path:
        uri = source.uris[index]
        parts = urllib.parse.urlparse(uri)
        if parts.scheme in ("", "file"):
            path = Path(urllib.request.url2pathname(parts.path) if parts.scheme else uri)
            if not path.is_file():
                raise FileNotFoundError(f"{source.sampleName}: {path} does not exist")
            return path
        folder = slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()
        path = Path(folder) / (source.fileNames[index] or Path(parts.path).name)
        self.logMessage(f"Downloading {uri}")
        if not slicer.util.downloadFile(uri, str(path), checksum=source.checksums[index]):
            raise RuntimeError(f"{source.sampleName}: {uri} could not be downloaded")
        return path


def downloadSample(sampleName: str):
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> list:
    return SampleDataLogic().downloadSamples(sampleName)


def make_sample_data_module() -> types.ModuleType:
    module = types.ModuleType("SampleData", __doc__)
    for public in (SampleDataSource, SampleDataLogic, downloadSample, downloadSamples):
        setattr(module, public.__name__, public)
    return module
