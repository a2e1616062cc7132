# StyleNet in a container; weights, photos and runs stay outside.
#
#   docker build --tag stylenet .
#   docker build --tag stylenet:cuda \
#       --build-arg BASE=pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime --build-arg TORCH_INDEX= .
#
# BASE: an image of Debian or Ubuntu with Python 3.10 to 3.13. Packages that it has, such as a PyTorch
# for CUDA, are used.
ARG BASE=python:3.12-slim
FROM ${BASE}

# Where PyTorch comes from if the base has none: the wheels without CUDA are a tenth of the size.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# A C compiler for Triton, which compiles its launchers on a GPU, and for AOTInductor.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

COPY pyproject.toml hatch_build.py README.md LICENSE /stylenet/
COPY stylenet /stylenet/stylenet
COPY configs /stylenet/configs
COPY benchmarks /stylenet/benchmarks
COPY data/styles /stylenet/data/styles

RUN python -m venv --system-site-packages /opt/stylenet
ENV PATH=/opt/stylenet/bin:$PATH
RUN python -c "import torch, torchvision" \
    || python -m pip install --no-cache-dir ${TORCH_INDEX:+--index-url $TORCH_INDEX} torch torchvision
RUN python -m pip install --no-cache-dir "/stylenet[export,video]"

# Not root, so that runs belong to a user: docker run --user "$(id -u):$(id -g)".
ENV STYLENET_CACHE=/tmp/stylenet
WORKDIR /work
ENTRYPOINT ["stylenet"]
CMD ["--help"]
