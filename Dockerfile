# One image for workers, gateways and Flower; docker-compose.yml says which of them a container is.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# The versions are those that the tests ran with; the development tools among them stay out.
COPY . /src
WORKDIR /src
RUN grep -oE '^[A-Za-z0-9._-]+==[^ ;]+' requirements-dev.txt > constraints.txt \
    && pip install --no-cache-dir --constraint constraints.txt ".[worker,flower,gateway]"

RUN useradd --create-home --uid 10001 threadmill
USER threadmill

# Your modules: mount them here, or build FROM this image and COPY them.
WORKDIR /app
