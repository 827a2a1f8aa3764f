# n2d on the CPU: docker build -t n2d . && docker run --rm -v "$PWD:/data" n2d demo
FROM python:3.12-slim
COPY . /source
# PyTorch first, without CUDA, from its own index; then what else the versions in
# constraints.txt are, with every extra that is free for any use.
RUN pip install --no-cache-dir -c /source/constraints.txt torch \
        --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -c /source/constraints.txt "/source[all]" \
    && rm -rf /source
WORKDIR /data
ENTRYPOINT ["n2d"]
