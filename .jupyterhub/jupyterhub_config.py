"""A hub that starts the course's image for every learner.

On the machine of the hub: `pip install jupyterhub==6.1.1 dockerspawner==14.0.0`, Docker, and
`docker network create neurotutor`. Then, beside this file, `jupyterhub`. Three variables say who
may come in and where the hub is:

- `COURSE_LEARNERS` and `COURSE_TEACHERS`: names of accounts, separated by blanks. Passwords are
  those of the machine; choose another authenticator for those of a university.
- `COURSE_HUB`: the address at which containers reach the hub, such as the gateway of the network.
"""

import os

c = get_config()

c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_ip = os.environ["COURSE_HUB"]

c.Authenticator.allowed_users = set(os.environ["COURSE_LEARNERS"].split())
c.Authenticator.admin_users = set(os.environ["COURSE_TEACHERS"].split())

c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = "neurotutor-course:0.1.0"
c.DockerSpawner.cmd = ["start-course"]
c.DockerSpawner.network_name = "neurotutor"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.volumes = {"neurotutor-{username}": "/home/learner"}
# A chapter takes less than 3 GiB and two cores at the tutorial scale.
c.DockerSpawner.mem_limit = "4G"
c.DockerSpawner.cpu_limit = 2
c.DockerSpawner.notebook_dir = "/home/learner/neurotutor"
