"""Commands on orders: plans with their approval, holds, the lives of orders; and `vpp reload` of the fleet."""
