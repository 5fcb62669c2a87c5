# syntax=docker/dockerfile:1
# Target `cpu` (the default) scores by rules and asks model servers; `gpu` also holds the models,
# and `ray` asks a Ray cluster for them or is a node of it.

FROM python:3.11-slim-bookworm AS build
ENV PIP_CACHE_DIR=/cache \
    PIP_CONSTRAINT=/src/deploy/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml ./
COPY deploy/constraints.txt deploy/
# What pyproject.toml names has to exist; the real ones come after the dependencies' layer.
RUN python -m venv /venv && touch README.md LICENSE

# To read Meta's .pt files: --build-arg EXTRAS=service,async,tracing,polar,sam2,sam2-native; this
# brings torchvision, and no CUDA code is compiled for it.
FROM build AS build-gpu
ARG EXTRAS=service,async,tracing,polar,sam2
RUN --mount=type=cache,target=/cache SAM2_BUILD_CUDA=0 /venv/bin/pip install ".[${EXTRAS}]"
COPY . .
RUN --mount=type=cache,target=/cache /venv/bin/pip install --no-deps --force-reinstall .

FROM build AS build-ray
RUN --mount=type=cache,target=/cache /venv/bin/pip install '.[service,async,tracing,polar,sam2,ray]'
COPY . .
RUN --mount=type=cache,target=/cache /venv/bin/pip install --no-deps --force-reinstall .

FROM build AS build-cpu
RUN --mount=type=cache,target=/cache /venv/bin/pip install '.[service,async,tracing]'
COPY . .
RUN --mount=type=cache,target=/cache /venv/bin/pip install --no-deps --force-reinstall .

FROM python:3.11-slim-bookworm AS runtime
RUN useradd --uid 10001 --user-group --no-create-home rewards \
    && install --directory --owner=rewards --group=rewards /data /models
ENV PATH=/venv/bin:$PATH \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    REWARDS_HOST=0.0.0.0 \
    REWARDS_MEDIA_DIR=/data/media \
    REWARDS_STORE=sqlite:/data/rewards.db
VOLUME ["/data", "/models"]
EXPOSE 8080
USER 10001:10001
# Alive, not ready: what replaces unhealthy containers must not do so because Redis is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["reward-service"]
CMD ["serve"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /venv /venv

# The server of Ray's clients forks while gRPC is at work, and every tenth client or so is lost if
# gRPC minds (ray#63202).
FROM runtime AS ray
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    GRPC_ENABLE_FORK_SUPPORT=0 \
    RAY_USAGE_STATS_ENABLED=0
COPY --from=build-ray /venv /venv

FROM runtime AS cpu
COPY --from=build-cpu /venv /venv
