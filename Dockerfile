# Two images of the service. Research use only. Not a medical device.
#
#   docker build --tag covidct:cpu .                   OpenVINO on a CPU, no TensorFlow
#   docker build --tag covidct:gpu --target gpu .      TensorFlow on an NVIDIA GPU
#
# Both run as user 10001 on a read-only root: they write to /var/lib/covidct (exams, until they expire) and /tmp, nowhere
# else, and fetch nothing while they run. docker-compose.yml starts them that way.

# The Python that the locks are tested with.
FROM python:3.11.15-slim-trixie AS python
# The standard library comes without bytecode; on a read-only root it would be compiled anew by every start and check.
RUN python -m compileall -q -x site-packages "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1


# What both builds share. The environment itself has no pip: what serves installs nothing.
FROM python AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/covidct/venv


# A lock first, then the project: a change of the code leaves the layer with the packages as it is.
# `covidct-train` goes: what it runs, training/, is not in the image.
FROM build AS build-cpu
COPY requirements/serve-cpu.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/covidct/venv/bin/python install --require-hashes --requirement requirements/serve-cpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY app/ app/
RUN python -m pip --python /opt/covidct/venv/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
    && rm /opt/covidct/venv/bin/covidct-train


FROM build AS build-gpu
COPY requirements/serve-gpu.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/covidct/venv/bin/python install --require-hashes --requirement requirements/serve-gpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY app/ app/
RUN python -m pip --python /opt/covidct/venv/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
    && rm /opt/covidct/venv/bin/covidct-train


# What both images share: the model, the user, the folder for exams and how to start.
FROM python AS serve
LABEL org.opencontainers.image.title="covidct" \
      org.opencontainers.image.description="COVID-19 probability and lesion heatmap from the chest CT slices of one exam. Research use only. Not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      covidct.notice="Research use only. Not a medical device."
# The number is fixed, so that a folder given as volume can be handed to it; what libraries would keep at home goes with
# the container.
RUN groupadd --gid 10001 covidct \
    && useradd --uid 10001 --gid covidct --no-create-home --home-dir /tmp --shell /usr/sbin/nologin covidct \
    && install --directory --owner=covidct --group=covidct --mode=0700 /var/lib/covidct
WORKDIR /opt/covidct
# Readable for that user, whatever the umask of the checkout; one number for files and folders, so that both work.
COPY --chmod=755 model_store/ model_store/
ENV PATH=/opt/covidct/venv/bin:$PATH \
    COVIDCT_MODEL_STORE=/opt/covidct/model_store \
    COVIDCT_DATA_DIR=/var/lib/covidct
VOLUME /var/lib/covidct
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "app.commands.ready"]
# Inside the container every address. Without a key it ends at once; docker-compose.yml, which publishes it to this machine alone,
# adds --open.
CMD ["covidct", "serve", "--host", "0.0.0.0"]


FROM serve AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/covidct/venv/ venv/


FROM serve AS cpu
COPY --from=build-cpu /opt/covidct/venv/ venv/
