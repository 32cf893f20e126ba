# motes on a CPU:
#   docker build -t motes . && docker run --rm -v "$PWD:/work" motes track clip.mp4
# For the small build of torch: --build-arg TORCH_OPTIONS="--index-url URL-of-the-CPU-wheels"
FROM python:3.12-slim
ARG TORCH_OPTIONS=""
RUN pip install --no-cache-dir torch==2.13.0 $TORCH_OPTIONS
COPY . /motes
RUN pip install --no-cache-dir "/motes[parquet]" && rm -rf /motes
WORKDIR /work
ENTRYPOINT ["motes"]
