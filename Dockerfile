# JVFIO as a container image, for amd64 and ppc64le:
#
#   docker build -t jvfio .
#   docker buildx build --platform linux/amd64,linux/ppc64le -t jvfio .
#
# The emulated kernel needs nothing of the host:
#
#   docker run --rm jvfio demo
#
# On a POWER host, with the device bound to vfio-pci and in IOMMU group 1 (readlink
# /sys/bus/pci/devices/0000:01:00.0/iommu_group tells the number):
#
#   docker run --rm --device /dev/vfio/vfio --device /dev/vfio/1 --ulimit memlock=-1 --user 0 jvfio \
#       demo --kernel linux --device 0000:01:00.0
#
# --device      the container file and the file of each group in use; a group's file belongs to root unless udev or
#               chown gave it to somebody, whom --user then names in place of 0
# --ulimit      memlock in bytes: all memory that is registered for DMA counts, and the TCE tables; -1 is no limit.
#               Without it the container has the limit of the Docker daemon
# The host loads vfio-pci and vfio_iommu_spapr_tce and binds the device: a container cannot.

# The jars are the same for every platform: they are built on the builder's own.
FROM --platform=$BUILDPLATFORM debian:trixie-slim AS jars
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends maven openjdk-25-jdk-headless \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pom.xml ./
COPY .mvn .mvn
COPY src/main src/main
RUN mvn -B -q -Dmaven.test.skip=true package

FROM debian:trixie-slim AS runtime
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-25-jdk-headless \
    && rm -rf /var/lib/apt/lists/*
COPY --from=jars /src/target/jvfio.jar /jars/
COPY --from=jars /src/target/lib /jars/lib/
# The dump makes the class archive that a linked runtime lacks; it would warn of each class that is not linked in.
RUN jlink --module-path /jars/jvfio.jar:/jars/lib --add-modules org.jvfio,org.apache.commons.cli,com.fasterxml.jackson.jr.ob \
        --launcher jvfio=org.jvfio/org.jvfio.cli.Launcher \
        --add-options="-Xlog:disable -Xlog:all=warning:stderr -XX:+UseSerialGC --enable-native-access=org.jvfio \
--add-modules=org.apache.commons.cli,com.fasterxml.jackson.jr.ob" \
        --no-header-files --no-man-pages --output /opt/jvfio \
    && /opt/jvfio/bin/java -Xshare:dump -Xlog:disable -Xlog:all=error:stderr \
    && /opt/jvfio/bin/jvfio --version

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --no-create-home --home-dir /nonexistent jvfio
COPY --from=runtime /opt/jvfio /opt/jvfio
USER jvfio
ENTRYPOINT ["/opt/jvfio/bin/jvfio"]
