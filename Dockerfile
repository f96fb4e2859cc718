# One image for a class: a JupyterHub starts one container of it for each learner, and
#     docker build --tag transfer-learning . && docker run --rm -p 8888:8888 transfer-learning
# is JupyterLab on this computer. docs/instructors.md says how thirty people get it.
FROM python:3.12-slim-bookworm

# The first number of your hub's own version.
ARG JUPYTERHUB=5
RUN useradd --create-home --uid 1000 learner
WORKDIR /opt/course
COPY . .
# Compiled once, as learners cannot write here. The notebooks hold the solutions.
ENV UV_COMPILE_BYTECODE=1 PATH=/opt/course/.venv/bin:$PATH
RUN python start.py setup \
    && python -m pip install --no-cache-dir --constraint requirements.txt "jupyterhub==${JUPYTERHUB}.*" \
    && course edition student --out handout \
    && rm -rf notebooks/*.ipynb /root/.cache
USER 1000
WORKDIR /home/learner
EXPOSE 8888
ENTRYPOINT ["sh", "/opt/course/.ci/container.sh"]
# A hub sets a command of its own, jupyterhub-singleuser.
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
