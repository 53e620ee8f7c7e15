# An MCP server over stdio: docker run -i --rm -e WALLET_MCP_SANDBOX=1 wallet-mcp
# docs/clients.md tells how a key gets in, and what has not been tried.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY prompts ./prompts
COPY wallet_mcp ./wallet_mcp
# The pip of this layer fills an environment that has none of its own.
RUN python -m venv --without-pip /opt/wallet-mcp \
    && PIP_CONSTRAINT=/source/constraints.txt python -m pip --python /opt/wallet-mcp/bin/python \
       install --no-cache-dir --no-compile .

FROM python:3.12-slim
RUN python -m pip uninstall --yes --quiet pip \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin wallet
COPY --from=build /opt/wallet-mcp /opt/wallet-mcp
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /
# The path of the interpreter as in a client's entry: nothing is looked up and no shell is in between.
ENTRYPOINT ["/opt/wallet-mcp/bin/python", "-P", "-m", "wallet_mcp"]
